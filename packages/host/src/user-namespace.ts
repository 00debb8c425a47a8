import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { CommandError } from './command-error.ts';
import { type Argv, notStarted } from './run.ts';

/** One range of a user namespace's map, as in /proc/<pid>/uid_map (user_namespaces(7)). */
export interface IdRange {
  /** First id inside the namespace. */
  inside: number;
  /** First id outside of it. */
  outside: number;
  size: number;
}

/** A user namespace held by a file descriptor; it lives until that is closed. */
export interface UserNamespace extends Disposable {
  readonly fd: number;
}

function mapText(ranges: readonly IdRange[]): string {
  return ranges.map(({ inside, outside, size }) => `${inside} ${outside} ${size}\n`).join('');
}

/**
 * Makes a user namespace with the given maps, for id-mapped mounts. No process stays in it.
 * One short-lived process is needed, since a program with threads may not enter a new user namespace (unshare(2)).
 *
 * @throws CommandError when unshare(1) cannot make one; an errno-coded error when the kernel refuses the map
 */
export async function createUserNamespace(
  uids: readonly IdRange[],
  gids: readonly IdRange[] = uids,
): Promise<UserNamespace> {
  const argv: Argv = ['unshare', '--user', 'cat'];
  const child = spawn(argv[0], argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // cat may be gone before it reads; its exit says why.
  child.stdin.on('error', () => child.stdin.destroy());
  const exited = new Promise<CommandError>((resolve) => {
    child.on('error', (error) => resolve(notStarted(argv, error, { debianPackage: 'util-linux' })));
    child.on('close', (exitCode, signal) => resolve(new CommandError({ argv, exitCode, signal, stderr })));
  });
  try {
    child.stdin.write('\n');
    // What cat echoes proves that unshare(1) has done its work and become cat.
    const failure = await Promise.race([once(child.stdout, 'data').then(() => undefined), exited]);
    if (failure) throw failure;
    writeFileSync(`/proc/${child.pid}/uid_map`, mapText(uids));
    writeFileSync(`/proc/${child.pid}/gid_map`, mapText(gids));
    const fd = openSync(`/proc/${child.pid}/ns/user`, 'r');
    return { fd, [Symbol.dispose]: () => closeSync(fd) };
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}
