import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { Client } from './client.ts';
import { readEnvelope } from './envelope.ts';
import { ConnectionError } from './errors.ts';
import { boundaryOf, type Part, readParts, writeParts } from './multipart.ts';
import { type OperationObject, run, type WatchOptions } from './operations.ts';

/** A file that is sent as an image, or as one of its two parts. */
export interface ImageFile {
  path: string;
  /** Wraps the reading, e.g. to show how far it is. */
  through?: (source: Readable) => Readable;
}

/** What goes with an uploaded image (spec 09 EP-06). */
export interface UploadOptions extends WatchOptions {
  public?: boolean;
  properties?: Record<string, string>;
  /** The name the image's file shall have; of the first file if left out. */
  filename?: string;
  /** Whether a second file is a VM's disk rather than a container's tree. */
  vm?: boolean;
}

const read = ({ path, through = (source) => source }: ImageFile): Readable => {
  const source = createReadStream(path);
  const wrapped = through(source);
  if (wrapped !== source) source.on('error', (error) => wrapped.destroy(error));
  return wrapped;
};

/**
 * Uploads an image: one file for a unified image, metadata and root file system for a split one.
 *
 * @returns the ended operation, whose metadata holds the `fingerprint`
 */
export const uploadImage = async (
  client: Client,
  files: readonly [ImageFile, (ImageFile | undefined)?],
  options: UploadOptions = {},
): Promise<OperationObject> => {
  const { public: isPublic = false, properties = {}, filename, vm = false, ...watch } = options;
  const [first, second] = files;
  const headers: Record<string, string> = {
    'x-lxd-public': String(isPublic),
    ...(Object.keys(properties).length > 0 ? { 'x-lxd-properties': new URLSearchParams(properties).toString() } : {}),
  };
  let body: Readable;
  if (second === undefined) {
    headers['x-lxd-filename'] = filename ?? basename(first.path);
    headers['content-length'] = String(statSync(first.path).size);
    body = read(first);
  } else {
    const parts = [
      { name: 'metadata', file: first },
      { name: vm ? 'rootfs.img' : 'rootfs', file: second },
    ].map(({ name, file }) => ({
      name,
      filename: basename(file.path),
      size: statSync(file.path).size,
      open: () => read(file),
    }));
    const { randomBytes } = process.getBuiltinModule('node:crypto');
    const form = writeParts(parts, randomBytes(30).toString('hex'));
    headers['content-type'] = form.contentType;
    headers['content-length'] = String(form.length);
    body = Readable.from(form.body);
  }
  const operation = await run(client, 'POST', ['images'], body, { ...watch, headers });
  if (operation === undefined) throw new ConnectionError('The server took the image without an operation');
  return operation;
};

/** An image as it comes from the server: one file, or one after the other its two parts. */
export interface ImageExport {
  parts: AsyncIterable<Part>;
  /** Bytes of the whole reply; 0 if the server does not say. */
  length: number;
}

/** Downloads an image's files. */
export const exportImage = async (client: Client, fingerprint: string, secret = ''): Promise<ImageExport> => {
  const reply = await client.raw('GET', client.path(['images', fingerprint, 'export'], { secret }));
  if (reply.status !== 200) {
    await readEnvelope(reply);
    throw new ConnectionError(`The server answered ${reply.status} to an image export`);
  }
  const length = Number(reply.headers['content-length'] ?? 0);
  const boundary = boundaryOf(reply.headers['content-type'] ?? '');
  if (boundary !== undefined) return { parts: readParts(reply.body, boundary), length };
  const [, filename = fingerprint] = /filename="?([^";]+)"?/.exec(reply.headers['content-disposition'] ?? '') ?? [];
  async function* single(): AsyncGenerator<Part> {
    yield { name: 'metadata', filename, body: reply.body };
  }
  return { parts: single(), length };
};
