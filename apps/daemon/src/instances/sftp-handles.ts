import type { FileHandle } from 'node:fs/promises';
import { badRequest, conflict } from '@lxd-ts/driver-kit';

/** A file or directory that a client has open. */
export type OpenHandle =
  | { readonly kind: 'file'; readonly file: FileHandle; readonly append: boolean }
  | { readonly kind: 'directory'; readonly path: string; readonly names: readonly string[]; position: number };

/** One client may have this many open. */
const most = 1024;

/** What a client has open, by the name it was given for it. Dispose it to close all. */
export class Handles implements AsyncDisposable {
  readonly #open = new Map<string, OpenHandle>();
  #last = 0;

  /** @throws LxdError conflict when too many are open */
  checkRoom(): void {
    if (this.#open.size >= most) throw conflict(`${most} files are open: close one first`);
  }

  add(handle: OpenHandle): string {
    const name = String(++this.#last);
    this.#open.set(name, handle);
    return name;
  }

  #get(name: string): OpenHandle {
    const handle = this.#open.get(name);
    if (!handle) throw badRequest('No such handle');
    return handle;
  }

  file(name: string): Extract<OpenHandle, { kind: 'file' }> {
    const handle = this.#get(name);
    if (handle.kind !== 'file') throw badRequest('The handle is that of a directory');
    return handle;
  }

  directory(name: string): Extract<OpenHandle, { kind: 'directory' }> {
    const handle = this.#get(name);
    if (handle.kind !== 'directory') throw badRequest('The handle is that of a file');
    return handle;
  }

  async close(name: string): Promise<void> {
    const handle = this.#get(name);
    this.#open.delete(name);
    if (handle.kind === 'file') await handle.file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.keys()].map((name) => this.close(name)));
  }
}
