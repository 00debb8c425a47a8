import { readText } from './envelope.ts';
import { ConnectionError } from './errors.ts';
import { imagesOfProduct, type Product, type StreamImage } from './stream-products.ts';

export { chooseStreamImage, type StreamImage } from './stream-products.ts';

interface Index {
  index: Record<string, { datatype: string; path: string }>;
}

interface Products {
  products: Record<string, Product>;
}

/** Asks an image server for a file below its URL; follows redirects, gives the login that the URL holds. */
const request = async (base: string, path: string, redirects = 5): Promise<import('node:http').IncomingMessage> => {
  const https = process.getBuiltinModule('node:https');
  const url = new URL(path, base.endsWith('/') ? base : `${base}/`);
  const { username, password } = url;
  const login = username === '' ? {} : { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` };
  const reply = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    https
      .get(url, { headers: { 'user-agent': 'LXD 5.15' }, ...login }, resolve)
      .on('error', (cause) =>
        reject(new ConnectionError(`Cannot reach the image server at ${url.host}: ${cause.message}`, '', { cause })),
      );
  });
  const { statusCode = 0, headers } = reply;
  if (statusCode === 200) return reply;
  reply.resume();
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined && redirects > 0) {
    return request(url.toString(), new URL(headers.location, url).toString(), redirects - 1);
  }
  throw new ConnectionError(`The image server answered ${statusCode} for ${url.pathname}`);
};

const fetchJson = async <T>(base: string, path: string): Promise<T> => {
  const text = await readText(await request(base, path));
  try {
    // The format is described by the simple streams project; what LXD does not know is passed over.
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new ConnectionError(`The image server sent something that is not JSON for ${path}`, '', { cause });
  }
};

/**
 * Reads all images of an image server that speaks simple streams: static files, an index that leads to lists of
 * products, each product with versions, each version with files. Its URL must be HTTPS.
 */
export const listStreamImages = async (url: string): Promise<StreamImage[]> => {
  if (!url.startsWith('https://')) throw new ConnectionError('Only https URLs are supported for simplestreams');
  const { index } = await fetchJson<Index>(url, 'streams/v1/index.json');
  const lists = Object.values(index).filter(({ datatype }) => datatype === 'image-downloads');
  const products = await Promise.all(lists.map(({ path }) => fetchJson<Products>(url, path)));
  return products.flatMap(({ products: found }) => Object.values(found).flatMap(imagesOfProduct));
};

/**
 * Downloads a file of an image.
 *
 * @throws ConnectionError at the end, if it does not hash to what the index says
 */
export async function* downloadStreamFile(base: string, file: StreamImage['files'][number]): AsyncGenerator<Buffer> {
  const { createHash } = process.getBuiltinModule('node:crypto');
  const hash = createHash('sha256');
  for await (const chunk of await request(base, file.path)) {
    hash.update(chunk);
    yield chunk;
  }
  if (file.sha256 !== '' && hash.digest('hex') !== file.sha256) {
    throw new ConnectionError(`What the image server sent for ${file.path} is not what its index describes`);
  }
}
