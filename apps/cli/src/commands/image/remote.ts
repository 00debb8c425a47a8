import type { Image } from '@lxd-ts/api';
import { ApiError, chooseStreamImage, listStreamImages, type StreamImage } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { readImage } from './source.ts';

/** An image of a simple streams server in the form LXD describes its own. */
const asImage = (image: StreamImage): Image => ({
  fingerprint: image.fingerprint,
  filename: image.files[0]?.path.split('/').pop() ?? '',
  size: image.size,
  architecture: image.architecture,
  type: image.type,
  public: true,
  cached: false,
  auto_update: false,
  properties: image.properties,
  aliases: image.aliases.map((name) => ({ name, description: '' })),
  profiles: [],
  created_at: image.created_at,
  expires_at: image.expires_at,
  last_used_at: '0001-01-01T00:00:00Z',
  uploaded_at: image.created_at,
});

const streamUrl = (cli: Cli, remote: string): string | undefined => {
  const configured = cli.config.remotes.get(remote);
  return configured?.protocol === 'simplestreams' ? configured.addr : undefined;
};

/** Whether a remote serves images only, by simple streams. */
export const isImageServer = (cli: Cli, remote: string): boolean => streamUrl(cli, remote) !== undefined;

/** All images of a remote, whichever protocol it speaks. */
export const imagesOf = async (cli: Cli, remote: string): Promise<Image[]> => {
  const url = streamUrl(cli, remote);
  if (url !== undefined) return (await listStreamImages(url)).map(asImage);
  const client = await cli.server(remote);
  return (await client.get<Image[]>(['images'], { recursion: 1 })).value;
};

/** One image of a remote by alias or fingerprint, whichever protocol the remote speaks. */
export const findImage = async (cli: Cli, text: string, vm: boolean): Promise<Image> => {
  const { remote, name } = cli.resource(text);
  const url = streamUrl(cli, remote);
  if (url === undefined) return (await readImage(await cli.server(remote), name, vm ? 'virtual-machine' : '')).value;
  const found = chooseStreamImage(await listStreamImages(url), name, vm ? 'virtual-machine' : 'container');
  if (found === undefined) throw new ApiError('Image not found', 404);
  return asImage(found);
};
