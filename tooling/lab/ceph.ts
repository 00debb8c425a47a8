/**
 * A Ceph cluster of one node, for tests in the lab VM: monitor, manager, one OSD in a sparse file, metadata server, gateway. It is made
 * from nothing (about half a minute under emulation) and runs until the machine goes, so that test files share it. Its address is one of
 * TEST-NET-2 (RFC 5737) on the loopback interface: unlike 127.0.0.1 it can be reached from other network namespaces too.
 */
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Where the cluster listens. */
export const clusterAddress = '198.51.100.1';
const state = '/var/lib/ceph';
const mark = join(state, 'lxd-ts-is-up');

/** Where the gateway serves S3. */
export const gateway = `http://${clusterAddress}:7480`;

const directories = [
  '/etc/ceph',
  '/var/run/ceph',
  ...['mon/ceph-a', 'mgr/ceph-x', 'osd/ceph-0', 'mds/ceph-a', 'radosgw/ceph-rgw.a'].map((name) => join(state, name)),
];

const configuration = (fsid: string): string => `
[global]
fsid = ${fsid}
mon host = [v2:${clusterAddress}:3300,v1:${clusterAddress}:6789]
mon initial members = a
public addr = ${clusterAddress}
cluster addr = ${clusterAddress}
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon max pg per osd = 2000
auth allow insecure global id reclaim = false
mon data avail warn = 2
mon data avail crit = 1
[mon]
pid file = /var/run/ceph/$type.$id.pid
[osd]
pid file = /var/run/ceph/$type.$id.pid
osd memory target = 939524096
bluestore block size = 10737418240
[client.rgw.a]
rgw frontends = beast endpoint=${clusterAddress}:7480
`;

const all = ['mon', 'allow *', 'osd', 'allow *', 'mds', 'allow *', 'mgr', 'allow *'] as const;

/** Keyrings by file: the name in it, and what it may. */
const keyrings: readonly (readonly [file: string, name: string, ...capabilities: string[]])[] = [
  ['/etc/ceph/ceph.client.admin.keyring', 'client.admin', ...all],
  [`${state}/mgr/ceph-x/keyring`, 'mgr.x', 'mon', 'allow profile mgr', 'osd', 'allow *', 'mds', 'allow *'],
  [`${state}/osd/ceph-0/keyring`, 'osd.0', 'mon', 'allow profile osd', 'mgr', 'allow profile osd', 'osd', 'allow *'],
  [
    `${state}/mds/ceph-a/keyring`,
    'mds.a',
    'mon',
    'allow profile mds',
    'mgr',
    'allow profile mds',
    'osd',
    'allow *',
    'mds',
    'allow *',
  ],
  [`${state}/radosgw/ceph-rgw.a/keyring`, 'client.rgw.a', 'mon', 'allow rw', 'mgr', 'allow rw', 'osd', 'allow rwx'],
];

const execute = promisify(execFile);
const start = async (program: string, ...args: string[]): Promise<string> =>
  (await execute(program, args, { cwd: '/' })).stdout;

const makeKeys = async (directory: string): Promise<string> => {
  const monitor = join(directory, 'mon');
  await start('ceph-authtool', '--create-keyring', monitor, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *');
  for (const [file, name, ...capabilities] of keyrings) {
    const pairs = capabilities.flatMap((text, at) => (at % 2 === 0 ? ['--cap', text] : [text]));
    await start('ceph-authtool', '--create-keyring', file, '--gen-key', '-n', name, ...pairs);
    await start('ceph-authtool', monitor, '--import-keyring', file);
  }
  return monitor;
};

const make = async (): Promise<void> => {
  for (const directory of directories) await mkdir(directory, { recursive: true });
  const fsid = randomUUID();
  await writeFile('/etc/ceph/ceph.conf', configuration(fsid));
  const directory = await mkdtemp(join(tmpdir(), 'lxd-ts-ceph-'));
  try {
    const keys = await makeKeys(directory);
    const map = join(directory, 'map');
    const addresses = `[v2:${clusterAddress}:3300,v1:${clusterAddress}:6789]`;
    await start('monmaptool', '--create', '--addv', 'a', addresses, '--fsid', fsid, map);
    await start('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keys);
  } finally {
    await rm(directory, { recursive: true });
  }
};

/** Programs that go on in the background by themselves. Their standard output would stay open. */
const daemon = async (program: string, ...args: string[]): Promise<void> => {
  const [code] = await once(spawn(program, args, { cwd: '/', stdio: ['ignore', 'ignore', 'inherit'] }), 'exit');
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
};

const startDaemons = async (): Promise<void> => {
  await start('ip', 'address', 'add', `${clusterAddress}/32`, 'dev', 'lo');
  await daemon('ceph-mon', '-i', 'a');
  await daemon('ceph-mgr', '-i', 'x');
  const uuid = randomUUID();
  await start('ceph', 'osd', 'new', uuid, '0');
  await daemon('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', uuid);
  await daemon('ceph-osd', '-i', '0');
  await daemon('ceph-mds', '-i', 'a');
};

/** Makes and starts the cluster, unless it runs. Only in a machine that is thrown away. */
export const startCluster = async (): Promise<void> => {
  if (existsSync(mark)) return;
  if (process.env.LXD_TS_LAB !== '1')
    throw new Error('This would make /etc/ceph and /var/lib/ceph: only in the lab VM');
  await make();
  await startDaemons();
  await writeFile(mark, '');
};

/** Makes a file system `cephfs`, unless there is one. */
export const makeCephfs = async (): Promise<void> => {
  if (/"cephfs"/.test(await start('ceph', 'fs', 'ls', '--format', 'json'))) return;
  for (const pool of ['cephfs_metadata', 'cephfs_data']) await start('ceph', 'osd', 'pool', 'create', pool, '8');
  await start('ceph', 'fs', 'new', 'cephfs', 'cephfs_metadata', 'cephfs_data');
  while (!/up:active/.test(await start('ceph', 'mds', 'stat', '--format', 'json'))) await setTimeout(500);
};

/** Starts the gateway, unless it runs, and waits until it answers. */
export const startGateway = async (): Promise<void> => {
  const answers = (): Promise<boolean> =>
    fetch(gateway).then(
      () => true,
      () => false,
    );
  if (await answers()) return;
  await daemon('radosgw', '-n', 'client.rgw.a');
  while (!(await answers())) await setTimeout(500);
};

/** Stops all that answers for the cluster, and lets it go on when disposed of: a cluster that is dead for a while. */
export const pauseCluster = async (): Promise<AsyncDisposable> => {
  const daemons = ['mon.a', 'osd.0'];
  const pids = await Promise.all(
    daemons.map(async (name) => Number(await readFile(`/var/run/ceph/${name}.pid`, 'utf8'))),
  );
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  return {
    async [Symbol.asyncDispose]() {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    },
  };
};
