import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy } from '@fastify/busboy';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { type ReceivedFiles, receiveUnified, saveStream } from './files.ts';

/** The parts of a split image in their order, and the names each may have. */
const partNames: readonly (readonly string[])[] = [['metadata'], ['rootfs', 'rootfs.img']];

const parserOf = (contentType: string): InstanceType<typeof Busboy> => {
  try {
    return new Busboy({ headers: { 'content-type': contentType } });
  } catch (error) {
    throw badRequest(`Invalid content type "${contentType}": ${messageOf(error)}`, { cause: error });
  }
};

/** Receives a split image: a multipart body with the metadata tarball first, then the root file system (spec 04.84). */
const receiveSplit = async (
  from: Readable,
  contentType: string,
  directory: string,
  filename: string,
  onBytes: ((total: number) => void) | undefined,
): Promise<ReceivedFiles> => {
  const hash = createHash('sha256');
  const files: { path: string; filename: string; saved: Promise<number> }[] = [];
  const streams: Readable[] = [];
  let unexpected = false;
  const parser = parserOf(contentType);
  parser.on('file', (name: string, stream: Readable, given: string) => {
    streams.push(stream);
    if (!partNames[files.length]?.includes(name)) {
      unexpected = true;
      stream.resume();
      return;
    }
    const path = join(directory, files.length === 0 ? 'main' : 'rootfs');
    const saved = saveStream(stream, path, hash, onBytes);
    // Looked at below; a broken body is reported by the parser first.
    saved.catch(() => undefined);
    files.push({ path, filename: given, saved });
  });
  try {
    await pipeline(from, parser);
  } catch (error) {
    for (const stream of streams) stream.destroy();
    throw badRequest(`The upload broke off: ${messageOf(error)}`, { cause: error });
  }
  const [main, rootfs] = files;
  const sizes = await Promise.all(files.map(({ saved }) => saved));
  if (unexpected || !main || !rootfs)
    throw badRequest('Invalid multipart image: it has a part "metadata" and then a part "rootfs" or "rootfs.img"');
  return {
    main: main.path,
    rootfs: rootfs.path,
    fingerprint: hash.digest('hex'),
    size: sizes.reduce((sum, size) => sum + size, 0),
    filename: filename || rootfs.filename,
  };
};

/**
 * Receives an image as an upload or an export sends it: a multipart body is a split image, any other a unified one.
 *
 * @param directory - a work directory
 * @param filename - the name to keep; empty: the one in the body, if any
 * @throws LxdError bad-request when the body is broken; the caller removes the directory
 */
export const receiveImage = (
  from: Readable,
  contentType: string,
  directory: string,
  filename: string,
  onBytes?: (total: number) => void,
): Promise<ReceivedFiles> =>
  contentType.startsWith('multipart/')
    ? receiveSplit(from, contentType, directory, filename, onBytes)
    : receiveUnified(from, directory, filename, onBytes);
