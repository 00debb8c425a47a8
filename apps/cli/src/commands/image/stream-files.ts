import { ApiError, ConnectionError, type Part, type StreamImage } from '@lxd-ts/client';

/** Downloads a file of an image server and checks what it was said to hash to. */
async function* download(base: string, file: StreamImage['files'][number]): AsyncGenerator<Buffer> {
  const https = process.getBuiltinModule('node:https');
  const { createHash } = process.getBuiltinModule('node:crypto');
  const url = new URL(file.path, base.endsWith('/') ? base : `${base}/`);
  const reply = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    https.get(url, { headers: { 'user-agent': 'LXD 5.15' } }, resolve).on('error', reject);
  });
  if (reply.statusCode !== 200)
    throw new ConnectionError(`The image server answered ${reply.statusCode} for ${url.pathname}`);
  const hash = createHash('sha256');
  for await (const chunk of reply) {
    hash.update(chunk);
    yield chunk;
  }
  if (file.sha256 !== '' && hash.digest('hex') !== file.sha256) {
    throw new ConnectionError(`What the image server sent for ${url.pathname} is not what its index describes`);
  }
}

/** The files of an image on a simple streams server, by alias or fingerprint. */
export const streamParts = (
  base: string,
  images: readonly StreamImage[],
  name: string,
  vm: boolean,
): { parts: AsyncIterable<Part>; length: number } => {
  const type = vm ? 'virtual-machine' : 'container';
  const image =
    images.find((found) => found.type === type && found.aliases.includes(name)) ??
    images.find((found) => found.fingerprint.startsWith(name));
  if (image === undefined) throw new ApiError('Image not found', 404);
  async function* parts(): AsyncGenerator<Part> {
    for (const [index, file] of (image?.files ?? []).entries()) {
      yield {
        name: index === 0 ? 'metadata' : 'rootfs',
        filename: file.path.split('/').pop() ?? '',
        body: download(base, file),
      };
    }
  }
  return { parts: parts(), length: image.size };
};
