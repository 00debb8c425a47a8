/** A place to take the tour: an LXD, a client, a work folder and what the steps saved. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lxd } from '../support/lxd.ts';
import { CommandTimeout, type Output, output } from '../support/output.ts';
import { type Step, words } from './step.ts';

export interface Target {
  readonly lxd: Lxd;
  readonly client: readonly string[];
  readonly folder: string;
  readonly saved: Map<string, string>;
}

/** Makes the work folder with the files that the steps push. */
export const makeTarget = (lxd: Lxd, client: readonly string[]): Target => {
  const folder = join(lxd.scratch.folder, 'work');
  mkdirSync(join(folder, 'tree/below'), { recursive: true });
  mkdirSync(join(folder, 'out'));
  writeFileSync(join(folder, 'one.txt'), 'one\n', { mode: 0o644 });
  writeFileSync(join(folder, 'tree/two.txt'), 'two\n', { mode: 0o600 });
  writeFileSync(join(folder, 'tree/below/three.txt'), 'three\n', { mode: 0o755 });
  return { lxd, client, folder, saved: new Map() };
};

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

const commandOf = ({ client, saved }: Target, step: Step): string[] => [
  ...client,
  ...words(step.run.replaceAll(/\{(\w+)\}/g, (whole, name: string) => saved.get(name) ?? whole)),
];

/** Runs a command on a terminal of its own (script(1)) and types what the step says. */
const onTerminal = async (target: Target, step: Step): Promise<Output> => {
  const line = commandOf(target, step).map(quoted).join(' ');
  const [program = '', ...args] = target.lxd.namespace.inside(['script', '-qefc', line, '/dev/null'], target.folder);
  const child = spawn(program, args, { env: { ...target.lxd.environment, TERM: 'xterm' } });
  let said = '';
  let more = Promise.withResolvers<void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    more.resolve();
    more = Promise.withResolvers();
  });
  const type = async () => {
    let seen = 0;
    for (const { after, type } of step.terminal ?? []) {
      while (said.indexOf(after, seen) < 0) await more.promise;
      // The command may print before it listens.
      await sleep(500);
      seen = said.length;
      if (child.stdin.writable) child.stdin.write(type);
    }
  };
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const closed = once(child, 'close');
  await Promise.race([type(), closed]);
  const [code]: (number | null)[] = await closed;
  clearTimeout(timer);
  return { code: code ?? 128, stdout: said, stderr: code === null ? 'took longer than 20 seconds' : '' };
};

const plain = async (target: Target, step: Step): Promise<Output> => {
  try {
    return await output(target.lxd.namespace.inside(commandOf(target, step), target.folder), {
      env: target.lxd.environment,
      timeout: 30_000,
      ...(step.input === undefined ? {} : { input: step.input }),
    });
  } catch (error) {
    if (!(error instanceof CommandTimeout)) throw error;
    return { code: 124, stdout: '', stderr: 'took longer than 30 seconds' };
  }
};

/** Runs a command that goes on by itself, meanwhile the inner steps, then interrupts it. */
const meanwhile = async (target: Target, step: Step, inner: readonly Step[]): Promise<Output> => {
  const [program = '', ...args] = target.lxd.namespace.inside(commandOf(target, step));
  const child: ChildProcess = spawn(program, args, { env: target.lxd.environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout?.on('data', (text: Buffer) => {
    said.stdout += String(text);
  });
  child.stderr?.on('data', (text: Buffer) => {
    said.stderr += String(text);
  });
  const closed = once(child, 'close');
  await sleep(1000);
  for (const one of inner) await take(target, one);
  await sleep(500);
  child.kill('SIGTERM');
  await closed;
  return { code: 0, ...said };
};

const until = async (target: Target, step: Step, pattern: RegExp): Promise<Output> => {
  for (let tries = 0; ; tries++) {
    const result = await plain(target, step);
    if (pattern.test(result.stdout) || tries === 100) return result;
    await sleep(100);
  }
};

/** The files a command made: mode, path and content of each. */
const contents = (path: string, name: string): string[] => {
  const info = statSync(path, { throwIfNoEntry: false });
  if (!info) return [`${name} is missing`];
  const mode = (info.mode & 0o7777).toString(8);
  if (!info.isDirectory()) return [`${mode} ${name}: ${JSON.stringify(readFileSync(path, 'utf8'))}`];
  return [
    `${mode} ${name}/`,
    ...readdirSync(path)
      .sort()
      .flatMap((entry) => contents(join(path, entry), `${name}/${entry}`)),
  ];
};

/** Runs one step and hands back what it said and made. */
export const take = async (target: Target, step: Step): Promise<Output> => {
  const result = step.terminal
    ? await onTerminal(target, step)
    : step.during
      ? await meanwhile(target, step, step.during)
      : step.until
        ? await until(target, step, step.until)
        : await plain(target, step);
  for (const [name, pattern] of Object.entries(step.save ?? {})) {
    const value = result.stdout.match(pattern)?.[1];
    if (value !== undefined) target.saved.set(name, value);
  }
  const made = (step.files ?? []).flatMap((name) => contents(join(target.folder, name), name));
  return made.length === 0 ? result : { ...result, stdout: `${result.stdout}${made.join('\n')}\n` };
};
