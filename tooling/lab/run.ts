/** Boots a lab VM, runs one command in it and hands back its exit code. */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ensureImage } from './build.ts';
import { type Image, makeOwnFolder, removeAbandoned, touch } from './cache.ts';
import { type Machine, machineCommand } from './machine.ts';

export interface LabOptions {
  /** Shared with the guest under the same path, with its node_modules/.bin first on the PATH. */
  readonly repository: string;
  /** Where the command starts; within the repository. */
  readonly folder: string;
  /** bash's text; undefined gives an interactive shell on our own terminal. */
  readonly command: string | undefined;
  readonly processors?: number;
  /** MiB. */
  readonly memory?: number;
  /** Whether the guest reaches the world outside; by default it does not. */
  readonly online?: boolean;
  readonly append?: readonly string[];
  /** Whether the guest sees files that change on the host meanwhile, which makes reading slower. */
  readonly live?: boolean;
  /** Takes what the command says; by default our own standard output. */
  readonly onOutput?: (chunk: Buffer) => void;
  readonly signal?: AbortSignal;
}

/** The exit code that says that the machine died before the command ended. */
export const machineDied = 125;

export const defaultProcessors = Math.max(1, Math.min(3, availableParallelism() - 1));
export const defaultMemory = 4096;

const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A command as bash's text: one word is taken as such a text already. */
export const asShellText = (words: readonly string[]): string =>
  words.length === 1 ? words.join('') : words.map(shellWord).join(' ');

/** Test settings of the host hold in the guest too. */
const passedOn = (): string[] =>
  Object.entries(process.env).flatMap(([name, value]) =>
    /^LXD_TS_TEST_/.test(name) && name !== 'LXD_TS_TEST_RUN' && value !== undefined
      ? [`export ${name}=${shellWord(value)}`]
      : [],
  );

const writeRun = (folder: string, options: LabOptions): void => {
  copyFileSync(join(import.meta.dirname, 'guest/init'), join(folder, 'init'));
  const settings = [
    `repository=${shellWord(options.repository)}`,
    `folder=${shellWord(options.folder)}`,
    `terminal=${options.command === undefined ? 'yes' : 'no'}`,
    `cache=${options.live ? 'mmap' : 'loose'}`, // see the kernel's Documentation/filesystems/9p.rst
    ...passedOn(),
  ];
  writeFileSync(join(folder, 'settings'), `${settings.join('\n')}\n`);
  writeFileSync(join(folder, 'command'), `${options.command ?? 'exec bash'}\n`);
};

const boot = (machine: Machine, options: LabOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = machineCommand(machine);
    const terminal = options.command === undefined;
    const child = spawn(program, args, {
      stdio: terminal ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      // For the file of the disk's changes; /tmp may be small.
      env: { ...process.env, TMPDIR: machine.run },
    });
    const stop = () => child.kill('SIGKILL');
    options.signal?.addEventListener('abort', stop);
    if (options.signal?.aborted) stop();
    const show = options.onOutput ?? ((chunk: Buffer) => process.stdout.write(chunk));
    child.stdout?.on('data', show);
    child.stderr?.on('data', show);
    child.once('error', reject);
    child.once('close', () => {
      options.signal?.removeEventListener('abort', stop);
      resolve();
    });
  });

const start = async (image: Image, accelerator: Machine['accelerator'], options: LabOptions): Promise<number> => {
  const run = makeOwnFolder('run');
  try {
    writeRun(run, options);
    const { repository, processors = defaultProcessors, memory = defaultMemory, online = false, append = [] } = options;
    await boot({ image, run, repository, accelerator, processors, memory, online, append }, options);
    const code = join(run, 'code');
    if (existsSync(code)) return Number(readFileSync(code, 'utf8'));
    const console = join(run, 'console');
    const tail = existsSync(console) ? readFileSync(console, 'utf8').trimEnd().split('\n').slice(-40).join('\n') : '';
    const show = options.onOutput ?? ((chunk: Buffer) => process.stderr.write(chunk));
    if (!options.signal?.aborted) show(Buffer.from(`The lab VM died. The end of its console:\n${tail}\n`));
    return machineDied;
  } finally {
    rmSync(run, { recursive: true, force: true });
  }
};

/**
 * Whether KVM works here, found out by trying: some hosts have a /dev/kvm under which no guest starts. The answer is
 * kept until the host boots again.
 */
const accelerator = async (image: Image, repository: string): Promise<Machine['accelerator']> => {
  if (!existsSync('/dev/kvm')) return 'tcg';
  const known = join(image.folder, 'kvm');
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const [knownBoot, answer] = existsSync(known) ? readFileSync(known, 'utf8').split(' ') : [];
  if (knownBoot === bootId) return answer === 'kvm' ? 'kvm' : 'tcg';
  const code = await start(image, 'kvm', {
    repository,
    folder: '/',
    command: 'true',
    onOutput: () => undefined,
    signal: AbortSignal.timeout(15_000),
  });
  const found = code === 0 ? 'kvm' : 'tcg';
  writeFileSync(known, `${bootId} ${found}`);
  return found;
};

/**
 * Runs a command in a fresh lab VM; builds the image first where there is none.
 *
 * @returns the command's exit code; `machineDied` when the machine went away first
 */
export const runInLab = async (options: LabOptions): Promise<number> => {
  if (process.getuid?.() !== 0) throw new Error('The lab VM shares files with their owners: run this as root');
  const image = await ensureImage();
  touch(image);
  removeAbandoned();
  return start(image, await accelerator(image, options.repository), options);
};
