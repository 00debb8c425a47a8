import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { extensions, formatOf } from './archive.ts';

/** An image as it is sent: to a client that exports it, or to a server it is pushed to. */
export interface ImageExport {
  readonly headers: Readonly<Record<string, string | number>>;
  /** Opens the bytes. */
  readonly open: () => Readable;
}

async function* multipart(
  boundary: string,
  parts: readonly { name: string; filename: string; path: string }[],
): AsyncGenerator<Buffer> {
  for (const { name, filename, path } of parts) {
    yield Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    );
    yield* createReadStream(path, { highWaterMark: 256 * 1024 });
    yield Buffer.from('\r\n');
  }
  yield Buffer.from(`--${boundary}--\r\n`);
}

/** Prepares the export of an image's files: one file as it is, a split image as multipart (spec 04.84). */
export const exportOf = async (
  fingerprint: string,
  { main, rootfs }: { main: string; rootfs?: string },
): Promise<ImageExport> => {
  const extension = extensions[await formatOf(main)];
  if (rootfs === undefined) {
    const { size, mtime } = await stat(main);
    return {
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Length': size,
        'Content-Disposition': `inline;filename=${fingerprint}${extension}`,
        'Last-Modified': mtime.toUTCString(),
      },
      open: () => createReadStream(main, { highWaterMark: 256 * 1024 }),
    };
  }
  const boundary = randomBytes(30).toString('hex');
  const format = await formatOf(rootfs);
  const parts = [
    { name: 'metadata', filename: `meta-${fingerprint}${extension}`, path: main },
    {
      name: format === 'qcow2' ? 'rootfs.img' : 'rootfs',
      filename: `${fingerprint}${extensions[format]}`,
      path: rootfs,
    },
  ];
  return {
    headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
    open: () => Readable.from(multipart(boundary, parts), { objectMode: false }),
  };
};
