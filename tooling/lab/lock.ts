import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Waits for a lock (flock(2)) on a file, and holds it until it is disposed of or this process ends.
 *
 * @param onWait called when somebody else holds it
 */
export const lockFile = async (path: string, onWait: () => void): Promise<AsyncDisposable> => {
  // The holder ends when its standard input does, thus also when this process is killed.
  const child = spawn('flock', [path, 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const timer = setTimeout(onWait, 2000);
  await Promise.race([
    once(child.stdout, 'data'),
    closed.then(([code]) => Promise.reject(new Error(`flock ${path} ended with ${code}`))),
  ]).finally(() => clearTimeout(timer));
  return {
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await closed;
    },
  };
};
