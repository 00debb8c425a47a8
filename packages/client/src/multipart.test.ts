import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { boundaryOf, readParts, writeParts } from './multipart.ts';

const collect = async (source: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/** Gives the bytes in pieces of the given size. */
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const boundary = 'a-boundary';
// Bytes that look like the start of a boundary, and line breaks where one could begin.
const awkward = Buffer.concat([
  Buffer.from('\r\n--a-bound'),
  randomBytes(3000),
  Buffer.from('\r\n\r\n--a-boundarx--\r\n'),
]);
const contents = [awkward, Buffer.alloc(0), randomBytes(70_000)];

const form = () =>
  writeParts(
    contents.map((content, index) => ({
      name: `part${index}`,
      filename: `file ${index}`,
      size: content.length,
      open: () => inPieces(content, 1000),
    })),
    boundary,
  );

describe('multipart bodies', () => {
  it('have the length they announce', async () => {
    const { length, body, contentType } = form();
    expect((await collect(body)).length).toBe(length);
    expect(boundaryOf(contentType)).toBe(boundary);
  });

  it.each([1, 7, 33, 4096, 1 << 20])('come apart as they were put together, in pieces of %i bytes', async (size) => {
    const sent = await collect(form().body);
    const found: { name: string; filename: string; content: Buffer }[] = [];
    for await (const { name, filename, body } of readParts(inPieces(sent, size), boundary)) {
      found.push({ name, filename, content: await collect(body) });
    }
    expect(found.map(({ name, filename }) => `${name}=${filename}`)).toEqual([
      'part0=file 0',
      'part1=file 1',
      'part2=file 2',
    ]);
    expect(found.map(({ content }, index) => content.equals(contents[index] ?? Buffer.alloc(1)))).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('pass over a part that nobody reads', async () => {
    const sent = await collect(form().body);
    const names: string[] = [];
    for await (const { name } of readParts(inPieces(sent, 500), boundary)) names.push(name);
    expect(names).toEqual(['part0', 'part1', 'part2']);
  });

  it('that are cut off are refused', async () => {
    const sent = await collect(form().body);
    const read = async (): Promise<void> => {
      for await (const { body } of readParts(inPieces(sent.subarray(0, -40), 1000), boundary)) await collect(body);
    };
    await expect(read()).rejects.toThrow('ended before its last boundary');
  });

  it('name their boundary, quoted or not', () => {
    expect(boundaryOf('multipart/form-data; boundary="x y"')).toBe('x y');
    expect(boundaryOf('multipart/form-data; charset=utf-8; boundary=abc')).toBe('abc');
    expect(boundaryOf('application/octet-stream')).toBeUndefined();
  });
});
