import koffi from 'koffi';

/**
 * Waits until a file descriptor is readable or writable, by the event loop. Meant for fds that Node has no object for.
 * @throws the signal's reason
 */
export async function fdReady(fd: number, event: 'readable' | 'writable', signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const handle = koffi.node.poll(fd, { [event]: true }, () => resolve());
  const abort = () => reject(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await promise;
  } finally {
    signal?.removeEventListener('abort', abort);
    handle.stop();
    handle.close();
  }
}
