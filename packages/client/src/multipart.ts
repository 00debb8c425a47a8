/** One part of a multipart body; its bytes must be read before the next part comes. */
export interface Part {
  /** The form field's name, e.g. `metadata`. */
  name: string;
  filename: string;
  body: AsyncIterable<Buffer>;
}

/** The boundary that a `Content-Type` header names; `undefined` if the body is not in parts. */
export const boundaryOf = (contentType: string): string | undefined =>
  /^multipart\/form-data;.*boundary="?([^";]+)"?/i.exec(contentType)?.[1];

const attribute = (headers: string, name: string): string =>
  new RegExp(`content-disposition:[^\\r\\n]*[; ]${name}="([^"]*)"`, 'i').exec(headers)?.[1] ?? '';

/**
 * Takes a `multipart/form-data` body (RFC 7578) apart as it arrives; nothing is kept but what may be a boundary.
 *
 * @throws Error if the body ends in the middle of a part
 */
export async function* readParts(source: AsyncIterable<Buffer>, boundary: string): AsyncGenerator<Part> {
  const chunks = source[Symbol.asyncIterator]();
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first boundary has no line break before it; with one put in front all are alike.
  let buffered: Buffer = Buffer.from('\r\n');

  const more = async (): Promise<void> => {
    const { value, done } = await chunks.next();
    if (done) throw new Error('The multipart body ended before its last boundary');
    buffered = Buffer.concat([buffered, value]);
  };
  const until = async (mark: string): Promise<Buffer> => {
    for (;;) {
      const at = buffered.indexOf(mark);
      if (at >= 0) {
        const head = buffered.subarray(0, at);
        buffered = buffered.subarray(at + mark.length);
        return head;
      }
      await more();
    }
  };
  async function* content(): AsyncGenerator<Buffer> {
    for (;;) {
      const at = buffered.indexOf(delimiter);
      const safe = at >= 0 ? at : Math.max(0, buffered.length - delimiter.length + 1);
      const ready = buffered.subarray(0, safe);
      buffered = buffered.subarray(safe);
      if (ready.length > 0) yield ready;
      if (at >= 0) return;
      await more();
    }
  }

  for await (const _preamble of content());
  for (;;) {
    buffered = buffered.subarray(delimiter.length);
    while (buffered.length < 2) await more();
    if (buffered.subarray(0, 2).toString() === '--') return;
    const headers = (await until('\r\n\r\n')).toString('utf8');
    const body = content();
    yield { name: attribute(headers, 'name'), filename: attribute(headers, 'filename'), body };
    // Whoever did not want the part has it passed over.
    for await (const _rest of body);
  }
}

/** One file to be sent in a form. */
export interface FormFile {
  name: string;
  filename: string;
  /** In bytes. */
  size: number;
  open(): AsyncIterable<Buffer>;
}

/** A form of files as a body of known length. */
export const writeParts = (
  files: readonly FormFile[],
  boundary: string,
): { contentType: string; length: number; body: AsyncGenerator<Buffer> } => {
  const heads = files.map(({ name, filename }) =>
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    ),
  );
  const end = Buffer.from(`--${boundary}--\r\n`);
  const length = files.reduce((sum, { size }, index) => sum + (heads[index]?.length ?? 0) + size + 2, end.length);
  async function* body(): AsyncGenerator<Buffer> {
    for (const [index, file] of files.entries()) {
      yield heads[index] ?? Buffer.alloc(0);
      yield* file.open();
      yield Buffer.from('\r\n');
    }
    yield end;
  }
  return { contentType: `multipart/form-data; boundary=${boundary}`, length, body: body() };
};
