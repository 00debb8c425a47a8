import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Transform } from 'node:stream';
import { isatty } from 'node:tty';
import { attachConsole, type Client, consoleLog, openGraphicalConsole } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, string } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { onResize, rawTerminal, terminalSize } from './terminal.ts';

/** Passes keys on until Ctrl+a q, which detaches; Ctrl+a Ctrl+a sends one Ctrl+a. */
const escapeFilter = (detach: () => void): Transform => {
  let escaped = false;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      const passed: number[] = [];
      for (const byte of chunk) {
        if (escaped) {
          escaped = false;
          if (byte === 0x71) {
            detach();
            break;
          }
          passed.push(byte);
        } else if (byte === 0x01) escaped = true;
        else passed.push(byte);
      }
      done(null, Buffer.from(passed));
    },
  });
};

const textConsole = async (client: Client, name: string): Promise<void> => {
  const detached = new AbortController();
  const keys = escapeFilter(() => detached.abort());
  const undo: (() => void)[] = [];
  // What the console says may come before we have said how to leave it: it waits.
  const shown = new PassThrough();
  if (isatty(0)) undo.push(rawTerminal());
  process.stdin.pipe(keys);
  try {
    await attachConsole(client, name, {
      ...terminalSize(),
      stdin: keys,
      stdout: shown,
      signal: detached.signal,
      onControl: ({ resize }) => {
        out('To detach from the console, press: <ctrl>+a q\n');
        shown.pipe(process.stdout, { end: false });
        undo.push(onResize(resize));
      },
    });
  } finally {
    for (const step of undo) step();
    process.stdin.destroy();
    out('\n');
  }
};

const viewers = ['remote-viewer', 'spicy'];

/** Starts the first SPICE viewer there is; without one, says where to connect and waits. */
const startViewer = (socket: string): Promise<void> => {
  const [viewer, ...others] = viewers;
  const attempt = (program: string | undefined, rest: string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      if (program === undefined) {
        out(
          `LXD automatically uses either spicy or remote-viewer when present.\nAs neither could be found, the raw SPICE socket can be found at:\n  ${socket}\n`,
        );
        return;
      }
      const address = program === 'spicy' ? `--uri=spice+unix://${socket}` : `spice+unix://${socket}`;
      const child = spawn(program, [address], { stdio: 'ignore' });
      child.once('exit', () => resolve());
      child.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') resolve(attempt(rest[0], rest.slice(1)));
        else reject(error);
      });
    });
  return attempt(viewer, others);
};

const graphicalConsole = async (client: Client, name: string): Promise<void> => {
  const { operation, connect, close } = await openGraphicalConsole(client, name);
  const directory = mkdtempSync(join(tmpdir(), 'lxd-spice-'));
  const path = join(directory, 'spice.sock');
  const server = createServer((socket) => {
    // A viewer that goes away takes only its own connection along.
    connect(socket, socket).then(
      () => socket.destroy(),
      (error) => socket.destroy(error),
    );
  });
  server.listen(path);
  try {
    await Promise.race([startViewer(path), operation.wait()]);
  } finally {
    close();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
};

/** Attaches to the console of an instance given as `remote:name`; the kind is `console` or `vga`. */
export const attachTo = async (cli: Cli, text: string, kind: string): Promise<void> => {
  const { client, name } = await cli.locate(text);
  if (kind === 'console') return textConsole(client, name);
  if (kind === 'vga') return graphicalConsole(client, name);
  throw new UserError(`Unknown console type "${kind}"`);
};

export const consoleCommand = command({
  use: '[<remote>:]<instance>',
  short: 'Attach to instance consoles',
  long: `This command allows you to interact with the boot console of an instance
as well as retrieve past log entries from it.`,
  args: [1, 1],
  flags: {
    'show-log': bool("Retrieve the instance's console log"),
    type: string("Type of connection to establish: 'console' for serial console, 'vga' for SPICE graphical output", {
      short: 't',
      default: 'console',
    }),
  },
  run: async (cli, { args: [text = ''], flags }) => {
    if (flags.type !== 'console' && flags.type !== 'vga') {
      throw new UserError(`Unknown output type "${flags.type}"`);
    }
    if (!flags['show-log']) return attachTo(cli, text, flags.type);
    if (flags.type !== 'console')
      throw new UserError("The --show-log flag is only supported for by 'console' output type");
    const { client, name } = await cli.locate(text);
    out(`\nConsole log:\n\n${await consoleLog(client, name)}\n`);
  },
});
