import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { type InstanceExecControl, type InstanceExecPost, instanceExecControl } from '@lxd-ts/api';
import { badRequest, type Config, type ExecRequest, type ExecSession } from '@lxd-ts/driver-kit';
import type { WebSocket } from 'ws';
import { pipeFromSocket, pipeToSocket } from '../http/socket-streams.ts';
import { type Operation, OperationSockets, type OperationSpec } from '../operations/operation.ts';
import type { Run } from './running.ts';

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Environment of a command (spec 03.386–387): defaults, then the instance's, then the request's. */
export const execEnvironment = (config: Config, requested: Config, uid: number): Record<string, string> => {
  const own = Object.fromEntries(
    Object.entries(config).flatMap(([key, value]) =>
      key.startsWith('environment.') ? [[key.slice('environment.'.length), value]] : [],
    ),
  );
  return {
    PATH: `${path}:/snap/bin`,
    LANG: 'C.UTF-8',
    ...(uid === 0 ? { HOME: '/root', USER: 'root' } : {}),
    ...own,
    ...requested,
  };
};

/** Obeys the messages of the control stream (spec 09 EXE-05); what is not understood is ignored, as LXD does. */
const obey = (socket: WebSocket, session: ExecSession): void => {
  socket.on('message', (data) => {
    const message = parseControl(String(data));
    if (message?.command === 'window-resize') session.resize(Number(message.args.width), Number(message.args.height));
    else if (message?.command === 'signal') session.signal(message.signal);
  });
};

const parseControl = (text: string): InstanceExecControl | undefined => {
  try {
    return instanceExecControl.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: a client that says something else on this stream has nothing to tell us.
    return undefined;
  }
};

/** Where a command's recorded output goes, and the URLs under which it can be read. */
export interface OutputRecord {
  readonly directory: string;
  readonly url: (file: string) => string;
}

/** The default size of a terminal whose client gave none. */
const defaultTerminal = { width: 80, height: 25 };

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
  const request: ExecRequest = {
    command: [program, ...args],
    environment: execEnvironment(config, body.environment, body.user),
    cwd: body.cwd || '/root',
    uid: body.user,
    gid: body.group,
    ...(body.interactive
      ? { terminal: { width: body.width || defaultTerminal.width, height: body.height || defaultTerminal.height } }
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

const withSockets = async (
  operation: Operation,
  run: Run,
  request: ExecRequest,
  sockets: OperationSockets,
  names: readonly string[],
) => {
  const [first, output, errors] = await Promise.all(names.map((name) => sockets.connected(name)));
  if (!first) throw new Error('An exec operation has at least one stream');
  const session = await run.running.exec(request, { signal: operation.signal });
  void sockets.connected('control').then((socket) => {
    obey(socket, session);
    socket.on('close', () => {
      // The client is gone: so is whoever wanted the command.
      if (!operation.isFinal) session.signal(9);
    });
    void operation.finished.then(() => socket.close());
  });

  const outputs = [pipeToSocket(session.stdout, output ?? first)];
  if (session.stderr && errors) outputs.push(pipeToSocket(session.stderr, errors));
  pipeFromSocket(first, session.stdin);
  if (!output) first.on('close', () => session.stdin.end());
  const status = await session.exit;
  await Promise.all(outputs);
  if (output) first.close();
  return { return: status };
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
    return { return: await session.exit };
  }
  await mkdir(record.directory, { recursive: true, mode: 0o700 });
  const files = { '1': `exec_${operation.id}.stdout`, '2': `exec_${operation.id}.stderr` };
  const sinks = [session.stdout.pipe(createWriteStream(join(record.directory, files['1']), { mode: 0o600 }))];
  if (session.stderr)
    sinks.push(session.stderr.pipe(createWriteStream(join(record.directory, files['2']), { mode: 0o600 })));
  const status = await session.exit;
  await Promise.all(sinks.map((sink) => finished(sink)));
  return {
    return: status,
    output: { '1': record.url(files['1']), ...(session.stderr ? { '2': record.url(files['2']) } : {}) },
  };
};
