import type { Image } from '@lxd-ts/api';
import { ApiError, type Client, isNotFound } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { serverInfo } from '../server.ts';

export type InstanceType = 'container' | 'virtual-machine';

/** What an alias or a beginning of a fingerprint stands for: the whole fingerprint, or the text itself. */
export const resolveImage = async (client: Client, name: string, type: string): Promise<string> => {
  const query = type === '' ? {} : { type };
  try {
    const { value } = await client.get<{ target: string; type?: string }>(['images', 'aliases', name], query);
    // A server may answer with what it has of that name, whatever was asked for.
    if (type !== '' && value.type !== undefined && value.type !== type) throw new ApiError('Image not found', 404);
    return value.target;
  } catch (error) {
    if (error instanceof ApiError && error.message === 'Image not found') throw error;
    if (isNotFound(error)) return name;
    throw error;
  }
};

/** Reads an image by alias or fingerprint. */
export const readImage = async (client: Client, name: string, type = ''): Promise<{ value: Image; etag: string }> =>
  client.get<Image>(['images', await resolveImage(client, name, type)]);

/** Where a server shall take an image from (spec 09 EP-06), and of what type it is. */
export interface ImageSource {
  source: Record<string, unknown>;
  type: string;
}

/** The source that names an image, by `remote:image`, to the server the instance shall be on. */
export const imageSource = async (
  cli: Cli,
  image: string,
  target: { remote: string; client: Client; type: InstanceType },
): Promise<ImageSource> => {
  const { remote, name } = cli.resource(image);
  const configured = cli.config.remotes.get(remote);
  const alias = name === '' ? 'default' : name;
  if (configured?.protocol === 'simplestreams') {
    // The server looks the image up itself; asking the image server here too would fetch its whole index twice.
    return {
      source: { type: 'image', mode: 'pull', protocol: 'simplestreams', server: configured.addr, alias },
      type: target.type,
    };
  }
  const client = await cli.server(remote);
  const wanted = target.type === 'virtual-machine' ? target.type : '';
  const { value } = await readImage(client, alias, wanted);
  if (remote === target.remote) {
    const project = client.project === target.client.project ? {} : { project: client.project };
    return { source: { type: 'image', fingerprint: value.fingerprint, ...project }, type: value.type };
  }
  const { environment } = await serverInfo(client);
  const [address = ''] = environment.addresses;
  const secret = value.public ? {} : { secret: await imageSecret(client, value.fingerprint) };
  return {
    source: {
      type: 'image',
      mode: 'pull',
      protocol: 'lxd',
      server: configured?.addr.startsWith('https://') ? configured.addr : `https://${address}`,
      certificate: environment.certificate,
      fingerprint: value.fingerprint,
      ...(client.project === '' ? {} : { project: client.project }),
      ...secret,
    },
    type: value.type,
  };
};

/** A one-time secret that lets another server fetch a private image (spec 09 EP-07). */
export const imageSecret = async (client: Client, fingerprint: string): Promise<string> => {
  const operation = await client.start('POST', ['images', fingerprint, 'secret']);
  const secret = operation?.object.metadata?.secret;
  return typeof secret === 'string' ? secret : '';
};
