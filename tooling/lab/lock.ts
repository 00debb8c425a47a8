import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Waits for a lock (flock(2)) on a file, and holds it until it is disposed of or this process ends. */
export const lockFile = async (path: string): Promise<AsyncDisposable> => {
  // The holder ends when its standard input does, thus also when this process is killed.
  const child = spawn('flock', [path, 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  await Promise.race([
    once(child.stdout, 'data'),
    closed.then(([code]) => Promise.reject(new Error(`flock ${path} ended with ${code}`))),
  ]);
  return {
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await closed;
    },
  };
};
