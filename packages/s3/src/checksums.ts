/** The checksums that clients may send along with data: `x-amz-checksum-<algorithm>`, in base64. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Sums up data as it passes. */
export interface Sum {
  update(data: Uint8Array): void;
  /** In base64. Called once. */
  digest(): string;
}

const hashSum = (algorithm: string): Sum => {
  const hash = createHash(algorithm);
  return { update: (data) => void hash.update(data), digest: () => hash.digest('base64') };
};

const base64 = (...words: readonly number[]): string => {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, at) => {
    bytes.writeUInt32BE(word >>> 0, at * 4);
  });
  return bytes.toString('base64');
};

const crc32Sum = (): Sum => {
  let sum = 0;
  return {
    update: (data) => {
      sum = crc32(data, sum);
    },
    digest: () => base64(sum),
  };
};

/** A reflected CRC of 64 bits as two tables of 32 each; one of 32 bits has its polynomial in `low`, and `high` 0. */
const tables = (high: number, low: number): { high: Uint32Array; low: Uint32Array } => {
  const table = { high: new Uint32Array(256), low: new Uint32Array(256) };
  for (let byte = 0; byte < 256; byte++) {
    let [h, l] = [0, byte];
    for (let bit = 0; bit < 8; bit++) {
      const carry = l & 1;
      l = ((l >>> 1) | (h << 31)) >>> 0;
      h >>>= 1;
      if (carry) {
        h ^= high;
        l ^= low;
      }
    }
    table.high[byte] = h >>> 0;
    table.low[byte] = l >>> 0;
  }
  return table;
};

const crcSum = (table: { high: Uint32Array; low: Uint32Array }, wide: boolean): Sum => {
  let high = wide ? 0xffffffff : 0;
  let low = 0xffffffff;
  return {
    update(data) {
      for (const byte of data) {
        const at = (low ^ byte) & 0xff;
        low = ((low >>> 8) | (high << 24)) ^ (table.low[at] ?? 0);
        high = (high >>> 8) ^ (table.high[at] ?? 0);
      }
    },
    digest: () => (wide ? base64(~high, ~low) : base64(~low)),
  };
};

const crc32cTable = tables(0, 0x82f63b78);
const crc64nvmeTable = tables(0x9a6c9329, 0xac4bc9b5);

const sums: Readonly<Record<string, () => Sum>> = {
  crc32: crc32Sum,
  crc32c: () => crcSum(crc32cTable, false),
  crc64nvme: () => crcSum(crc64nvmeTable, true),
  sha1: () => hashSum('sha1'),
  sha256: () => hashSum('sha256'),
};

/** Begins a sum by the algorithm's name in lower case; undefined when there is none of that name. */
export const beginSum = (algorithm: string): Sum | undefined =>
  Object.hasOwn(sums, algorithm) ? sums[algorithm]?.() : undefined;
