import { spawn, spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The workspace's root folder. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * The environment for commands of the workspace: its own Node and tools come first, nothing reports home.
 *
 * @type {NodeJS.ProcessEnv & { PATH: string }}
 */
export const environment = {
  ...process.env,
  PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH ?? ''}:/usr/sbin:/sbin`,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
};

/** Prints one line of progress. */
export const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/**
 * Runs a command to its end with our own output streams, from the workspace's root.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<number>} its exit code; 128 + n when signal n ended it
 */
export const status = (command, args, env = environment) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: 'inherit' });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 128));
  });

/**
 * Like `status`, for commands that must succeed.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @throws {Error} that names the command when it fails
 */
export const run = async (command, args, env = environment) => {
  const code = await status(command, args, env);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed with exit code ${code}`);
};

/**
 * Runs a short command and hands back what it said.
 *
 * @param {string} command
 * @param {readonly string[]} args
 */
export const ask = (command, args) => {
  const result = spawnSync(command, args, { encoding: 'utf8', env: environment, maxBuffer: 64 << 20 });
  if (result.error) throw result.error;
  return { code: result.status ?? 128, stdout: result.stdout, stderr: result.stderr };
};

/** Whether a program of this name is on the PATH. */
export const has = (/** @type {string} */ program) =>
  environment.PATH.split(':').some((folder) => existsSync(join(folder, program)));

/** Whether the module with this URL is the program that Node was started with. */
export const isMain = (/** @type {string} */ url) =>
  process.argv[1] !== undefined && url === pathToFileURL(realpathSync(process.argv[1])).href;

/**
 * The outermost call of a script: a failure becomes one readable line and exit code 1.
 *
 * @param {() => Promise<unknown>} action
 */
export const main = async (action) => {
  try {
    await action();
  } catch (error) {
    process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
};
