/** What is measured, in this order: later cases use the instances of earlier ones. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lxd } from '../support/lxd.ts';
import { api, disconnect, transfer } from './connection.ts';
import { repeatGet } from './gets.ts';
import { each, timed } from './measure.ts';

export interface Case {
  readonly name: string;
  /** Milliseconds, requests a second, or MiB. Only of `/s` more is better. */
  readonly unit: 'ms' | '/s' | 'MiB';
  readonly run: (lxd: Lxd) => Promise<number>;
  /** The bare tool it is to be seen against. */
  readonly limit?: 'start' | 'attach' | 'copy';
}

const names = Array.from({ length: 12 }, (_, n) => `b${n}`);
const push = (lxd: Lxd, name: string, file: string, content: Buffer) =>
  transfer(lxd, 'POST', `/1.0/instances/${name}/files?path=${file}`, content, {
    headers: { 'content-type': 'application/octet-stream', 'X-LXD-type': 'file', 'X-LXD-mode': '0644' },
  });

const create = (lxd: Lxd, name: string) =>
  api(lxd, 'POST', '/1.0/instances', { name, source: { type: 'image', alias: 'busybox' } });

const setState = (lxd: Lxd, name: string, action: string) =>
  api(lxd, 'PUT', `/1.0/instances/${name}/state`, { action, force: true, timeout: 30 });

const execTrue = (lxd: Lxd, name: string) =>
  api(lxd, 'POST', `/1.0/instances/${name}/exec`, { command: ['true'], 'wait-for-websocket': false });

const listAll = (lxd: Lxd) => api(lxd, 'GET', '/1.0/instances?recursion=2');

/** GET /1.0 a second, over so many connections at once. */
const getServer = async (lxd: Lxd, connections: number): Promise<number> => {
  const seconds = 2;
  const counts = await Promise.all(
    Array.from({ length: connections }, () => repeatGet(lxd.socket, '/1.0', seconds * 1000)),
  );
  return counts.reduce((sum, count) => sum + count, 0) / seconds;
};

const small = randomBytes(1024);
const large = randomBytes(64 << 20);
const [first = 'b0'] = names;
/** Every name five times in a row: the first file operation on an instance may open what the others use. */
const fivefold = names.flatMap((name) => [name, name, name, name, name]);
const many = Array.from({ length: 200 }, (_, n) => `many${n}`);

/** The daemon's resident memory in MiB (`VmRSS` in proc(5)). */
const residentMemory = (lxd: Lxd): number =>
  Number(readFileSync(`/proc/${lxd.pid()}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1]) / 1024;

export const cases: readonly Case[] = [
  { name: 'GET /1.0, one connection', unit: '/s', run: (lxd) => getServer(lxd, 1) },
  { name: 'GET /1.0, 16 connections', unit: '/s', run: (lxd) => getServer(lxd, 16) },
  {
    name: 'create from a small image',
    unit: 'ms',
    limit: 'copy',
    run: async (lxd) => {
      await create(lxd, 'warm'); // the first use of an image may unpack it
      await api(lxd, 'DELETE', '/1.0/instances/warm');
      return each(names, (name) => create(lxd, name));
    },
  },
  { name: 'list 12 stopped, recursion=2', unit: 'ms', run: (lxd) => each(names, () => listAll(lxd)) },
  { name: 'start', unit: 'ms', limit: 'start', run: (lxd) => each(names, (name) => setState(lxd, name, 'start')) },
  {
    name: 'exec true',
    unit: 'ms',
    limit: 'attach',
    run: (lxd) => each(fivefold, (name) => execTrue(lxd, name)),
  },
  {
    name: 'state of one of 12 running, recursion=2',
    unit: 'ms',
    run: async (lxd) => (await each(names, () => listAll(lxd))) / names.length,
  },
  { name: 'push 1 KiB', unit: 'ms', run: (lxd) => each(fivefold, (name) => push(lxd, name, '/root/small', small)) },
  {
    name: 'pull 1 KiB',
    unit: 'ms',
    run: (lxd) => each(fivefold, (name) => transfer(lxd, 'GET', `/1.0/instances/${name}/files?path=/root/small`)),
  },
  {
    name: 'push 64 MiB',
    unit: 'ms',
    run: (lxd) => each([1, 2, 3, 4, 5], () => push(lxd, first, '/root/large', large)),
  },
  { name: 'force stop', unit: 'ms', run: (lxd) => each(names, (name) => setState(lxd, name, 'stop')) },
  {
    name: 'memory of the daemon, 15 s after all this',
    unit: 'MiB',
    run: async (lxd) => {
      await sleep(15_000);
      return residentMemory(lxd);
    },
  },
  {
    name: 'start of the daemon with 200 instances',
    unit: 'ms',
    run: async (lxd) => {
      for (const name of many) await create(lxd, name);
      const times: number[] = [];
      for (let round = 0; round < 3; round++) {
        disconnect(lxd);
        await lxd.stop();
        times.push(await timed(() => lxd.start()));
      }
      return Math.min(...times);
    },
  },
  { name: 'list 212 stopped, recursion=2', unit: 'ms', run: (lxd) => each(names, () => listAll(lxd)) },
];
