import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { InstanceExecPost } from '@lxd-ts/api';
import { badRequest, type Config, type ExecRequest } from '@lxd-ts/driver-kit';
import { openProcessRoot } from '@lxd-ts/host';
import { pipeFromSocket, pipeToSocket } from '../http/socket-streams.ts';
import { type Metadata, type Operation, OperationSockets, type OperationSpec } from '../operations/operation.ts';
import { obeyControl, terminalSide } from './control-stream.ts';
import type { Run } from './running.ts';

/** Where programs are, as far as a directory beside them is in the instance (spec 09 EXE-06). */
const places: readonly { readonly path: string; readonly if?: string }[] = [
  ...['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].map((path) => ({ path })),
  { path: '/snap/bin', if: '/snap' },
  { path: '/run/current-system/sw/bin', if: '/run/current-system' },
];

/** The search path inside an instance. */
const pathInside = (pid: number): string => {
  using root = openProcessRoot(pid);
  return places
    .filter((place) => place.if === undefined || root.exists(place.if))
    .map((place) => place.path)
    .join(':');
};

/**
 * Environment of a command (spec 03.386–387): defaults, then the instance's, then the request's.
 *
 * @param config - the instance's, expanded
 * @param path - the default of `PATH`
 */
export const execEnvironment = (
  config: Config,
  requested: Config,
  uid: number,
  path: string,
): Record<string, string> => {
  const own = Object.fromEntries(
    Object.entries(config).flatMap(([key, value]) =>
      key.startsWith('environment.') ? [[key.slice('environment.'.length), value]] : [],
    ),
  );
  return {
    PATH: path,
    LANG: 'C.UTF-8',
    ...(uid === 0 ? { HOME: '/root', USER: 'root' } : {}),
    ...own,
    ...requested,
  };
};

/** Where a command's recorded output goes, and the URLs under which it can be read. */
export interface OutputRecord {
  readonly directory: string;
  readonly url: (file: string) => string;
}

/** The default size of a terminal whose client gave none. */
const defaultTerminal = { width: 80, height: 25 };

/** The largest id: the one above it means "none" to the kernel. */
const largestId = 0xffff_fffe;

/** Refuses what no command can be given. @throws LxdError bad-request naming the field */
const checkTexts = ({ command, cwd, environment, user, group }: InstanceExecPost): void => {
  const refuse = (field: string): never => {
    throw badRequest(`Field "${field}" holds a NUL character`);
  };
  if (command.some((word) => word.includes('\0'))) refuse('command');
  if (cwd.includes('\0')) refuse('cwd');
  for (const [name, value] of Object.entries(environment)) {
    if (name === '' || name.includes('=') || name.includes('\0'))
      throw badRequest(`Field "environment" has a variable named "${name}": names have no "=" and are not empty`);
    if (value.includes('\0')) refuse('environment');
  }
  for (const [field, id] of Object.entries({ user, group })) {
    if (id < 0 || id > largestId) throw badRequest(`Field "${field}" is ${id}: it must be from 0 to ${largestId}`);
  }
};

/**
 * What runs a command in an instance: the operation's specification, without what the route adds.
 *
 * @throws LxdError bad-request
 */
export const execOperation = (
  run: Run,
  config: Config,
  body: InstanceExecPost,
  record: OutputRecord,
): Pick<OperationSpec, 'class' | 'metadata' | 'sockets' | 'run'> => {
  const [program, ...args] = body.command;
  if (program === undefined) throw badRequest('Field "command" is missing: give the program and its arguments');
  if (run.frozen) throw badRequest('Instance is frozen');
  checkTexts(body);
  const request: ExecRequest = {
    command: [program, ...args],
    environment: execEnvironment(config, body.environment, body.user, pathInside(run.running.pid)),
    cwd: body.cwd || '/root',
    uid: body.user,
    gid: body.group,
    ...(body.interactive
      ? {
          terminal: {
            width: terminalSide(body.width, defaultTerminal.width),
            height: terminalSide(body.height, defaultTerminal.height),
          },
        }
      : {}),
  };
  const metadata = { command: body.command, environment: request.environment, interactive: body.interactive };

  if (body['wait-for-websocket']) {
    const names = body.interactive ? ['0'] : ['0', '1', '2'];
    const sockets = new OperationSockets([...names, 'control']);
    return {
      class: 'websocket',
      metadata: { ...metadata, fds: sockets.secrets },
      sockets,
      run: (operation) => withSockets(operation, run, request, sockets, names),
    };
  }
  return {
    class: 'task',
    metadata,
    run: (operation) => withoutSockets(operation, run, request, body['record-output'] ? record : undefined),
  };
};

/**
 * The result of a command: its exit status, and an error when there was none to run (126, 127).
 *
 * @throws LxdError bad-request; the metadata holds the status all the same
 */
const outcome = (operation: Operation, status: number): Metadata => {
  operation.update({ return: status });
  if (status === 127) throw badRequest('Command not found');
  if (status === 126) throw badRequest('Command not executable');
  return { return: status };
};

const withSockets = async (
  operation: Operation,
  run: Run,
  request: ExecRequest,
  sockets: OperationSockets,
  names: readonly string[],
) => {
  const streams = await sockets.held(names, operation.signal);
  const [first, output, errors] = streams;
  if (!first) throw new Error('An exec operation has at least one stream');
  const session = await run.running.exec(request, { signal: operation.signal });
  void sockets.connected('control').then((socket) => {
    obeyControl(socket, session);
    socket.on('close', () => {
      // The client is gone: so is whoever wanted the command.
      if (!operation.isFinal) session.signal(9);
    });
  });

  const outputs = [pipeToSocket(session.stdout, output ?? first)];
  if (session.stderr && errors) outputs.push(pipeToSocket(session.stderr, errors));
  pipeFromSocket(first, session.stdin);
  if (!output) first.on('close', () => session.stdin.end());
  for (const socket of streams) socket.resume();
  const status = await session.exit;
  await Promise.all(outputs);
  return outcome(operation, status);
};

const withoutSockets = async (
  operation: Operation,
  run: Run,
  request: ExecRequest,
  record: OutputRecord | undefined,
) => {
  const session = await run.running.exec(request, { signal: operation.signal });
  session.stdin.end();
  if (!record) {
    session.stdout.resume();
    session.stderr?.resume();
    return outcome(operation, await session.exit);
  }
  await mkdir(record.directory, { recursive: true, mode: 0o700 });
  const files = { '1': `exec_${operation.id}.stdout`, '2': `exec_${operation.id}.stderr` };
  const save = (from: Readable, file: string): Promise<void> =>
    pipeline(from, createWriteStream(join(record.directory, file), { mode: 0o600 }));
  const saved = [save(session.stdout, files['1']), ...(session.stderr ? [save(session.stderr, files['2'])] : [])];
  const [status] = await Promise.all([session.exit, ...saved]);
  return {
    ...outcome(operation, status),
    output: { '1': record.url(files['1']), ...(session.stderr ? { '2': record.url(files['2']) } : {}) },
  };
};
