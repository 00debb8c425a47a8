/** The forwarder's program: listens on one side, connects on the other, until it is told to end or the instance ends. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { openProcess, processStat } from '@lxd-ts/host';
import { serveUdp, streamLink, udpLink } from './datagrams.ts';
import type { Pair, Place } from './endpoint.ts';
import { proxyHeader } from './header.ts';
import type { Job } from './job.ts';
import { connectTo, listenAt, removeSocket, type Side } from './sockets.ts';
import { join, serveStreams } from './streams.ts';

const textOf = (place: Place): string =>
  place.protocol === 'unix' ? `unix:${place.path}` : `${place.protocol}:${place.host}:${place.port}`;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Its output is the log. */
const log = (message: string): void => void process.stderr.write(`${new Date().toISOString()} ${message}\n`);

const forward = async (job: Job, { listen, connect }: Pair, from: Side, to: Side): Promise<void> => {
  const fail = (error: unknown): void => log(`${textOf(listen)} -> ${textOf(connect)}: ${messageOf(error)}`);
  const fd = await listenAt(from, listen, job.socket);

  if (listen.protocol === 'udp') {
    await serveUdp(
      fd,
      listen,
      async (answer, closed) =>
        connect.protocol === 'udp'
          ? udpLink(to, connect, answer, closed)
          : streamLink(await connectTo(to, connect, job.drop), answer, closed),
      fail,
    );
    return;
  }

  const accept = async (client: Socket): Promise<void> => {
    if (connect.protocol === 'udp') {
      const link = await udpLink(
        to,
        connect,
        (data) => client.write(data),
        () => client.destroy(),
      );
      client.on('data', (data) => link.send(data));
      client.on('end', () => client.end());
      client.on('error', fail);
      client.on('close', () => link.close());
      return;
    }
    const target = await connectTo(to, connect, job.drop);
    if (job.proxyProtocol) target.write(proxyHeader(client));
    join(client, target);
  };
  await serveStreams(fd, (client) => {
    accept(client).then(
      () => client.resume(),
      (error: unknown) => {
        fail(error);
        client.destroy();
      },
    );
  });
};

/** Written in one step, so that a reader sees all of it or nothing. */
const writePidFile = (path: string): void => {
  const start = processStat(process.pid)?.startTicks;
  writeFileSync(`${path}.new`, JSON.stringify({ pid: process.pid, startTicks: start }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
};

/**
 * Runs a forwarder; returns when all its sockets listen. Ends with the instance, or by SIGTERM.
 *
 * @param file - holds the job
 * @throws what kept a socket from listening
 */
export const runForwarder = async (file: string): Promise<void> => {
  // Written by the daemon for this process alone.
  const job: Job = JSON.parse(readFileSync(file, 'utf8'));
  // Before anything else: from here on a daemon finds it, whatever becomes of the one that started it.
  writePidFile(job.pidFile);
  const init = openProcess(job.initPid);
  if (!init) throw new Error('The instance does not run');
  const host: Side = { root: { uid: 0, gid: 0 } };
  const instance: Side = { initPid: job.initPid, root: job.instanceRoot };
  const [from, to] = job.bind === 'host' ? [host, instance] : [instance, host];
  const listening: Place[] = [];
  const end = (status: number): never => {
    for (const place of listening) removeSocket(from, place);
    process.exit(status);
  };
  process.on('SIGTERM', () => end(0));
  process.on('uncaughtException', (error) => {
    log(messageOf(error));
    end(1);
  });
  init.exited().then(() => end(0), log);
  for (const pair of job.pairs) {
    try {
      await forward(job, pair, from, to);
      listening.push(pair.listen);
    } catch (error) {
      for (const place of listening) removeSocket(from, place);
      throw new Error(`Failed to listen on ${textOf(pair.listen)}: ${messageOf(error)}`, { cause: error });
    }
  }
};
