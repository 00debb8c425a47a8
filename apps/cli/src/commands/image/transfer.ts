import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Image } from '@lxd-ts/api';
import { type Client, exportImage, type ImageFile, isNotFound, type TransferMode, uploadImage } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import { progressLine } from '../../output/progress.ts';
import { operate } from '../common/operate.ts';
import { serverInfo } from '../server.ts';
import { imageSecret } from './source.ts';

/** Where an image is. */
export interface ImageOrigin {
  client: Client;
  fingerprint: string;
  mode: TransferMode;
  /** By which it was found, so that the target can watch the alias for newer images. */
  alias?: string | undefined;
}

/** Where it shall be, and how. */
export interface ImageTarget {
  client: Client;
  public?: boolean;
  autoUpdate?: boolean;
  aliases?: readonly { name: string; description: string }[];
  profiles?: readonly string[] | undefined;
}

const label = 'Copying the image: %s';

const address = async (client: Client, end: string): Promise<{ url: string; certificate: string }> => {
  const { environment } = await serverInfo(client);
  const { endpoint } = client.transport;
  const [first] = environment.addresses;
  const url = endpoint.kind === 'https' ? endpoint.url : first && `https://${first}`;
  if (url === undefined) throw new UserError(`The ${end} server isn't listening on the network`);
  return { url, certificate: environment.certificate };
};

const wishes = ({ public: isPublic, autoUpdate, aliases, profiles }: ImageTarget): object => ({
  public: isPublic ?? false,
  auto_update: autoUpdate ?? false,
  aliases: aliases ?? [],
  ...(profiles === undefined ? {} : { profiles }),
});

const pull = async (cli: Cli, origin: ImageOrigin, target: ImageTarget): Promise<void> => {
  const { client, fingerprint, alias } = origin;
  const { value } = await client.get<Image>(['images', fingerprint]);
  const { url, certificate } = await address(client, 'source');
  const source = {
    type: 'image',
    mode: 'pull',
    protocol: 'lxd',
    server: url,
    certificate,
    fingerprint: value.fingerprint,
    image_type: value.type,
    ...(target.autoUpdate && alias ? { alias } : {}),
    ...(client.project === '' ? {} : { project: client.project }),
    ...(value.public ? {} : { secret: await imageSecret(client, value.fingerprint) }),
  };
  await operate(cli, target.client, 'POST', ['images'], { ...wishes(target), source }, { label });
};

const push = async (cli: Cli, origin: ImageOrigin, target: ImageTarget): Promise<void> => {
  const { url, certificate } = await address(target.client, 'target');
  const { value } = await origin.client.get<Image>(['images', origin.fingerprint]);
  const source = { type: 'image', mode: 'push', fingerprint: value.fingerprint };
  const { properties, expires_at } = value;
  const body = { ...wishes(target), properties, expires_at, source };
  const receiving = await target.client.start('POST', ['images'], body);
  const secret = receiving?.object.metadata?.secret;
  if (typeof secret !== 'string') throw new UserError('The target server gave no secret to receive the image with');
  await operate(
    cli,
    origin.client,
    'POST',
    ['images', value.fingerprint, 'export'],
    {
      target: url,
      certificate,
      secret,
      aliases: target.aliases ?? [],
      project: target.client.project,
      ...(target.profiles === undefined ? {} : { profiles: target.profiles }),
    },
    { label },
  );
};

const relay = async (cli: Cli, origin: ImageOrigin, target: ImageTarget): Promise<void> => {
  const { value } = await origin.client.get<Image>(['images', origin.fingerprint]);
  if (!(await hasImage(target.client, value.fingerprint))) await carry(cli, origin.client, value, target);
  for (const { name, description } of target.aliases ?? []) {
    await target.client.send('POST', ['images', 'aliases'], { name, description, target: value.fingerprint });
  }
};

const hasImage = (client: Client, fingerprint: string): Promise<boolean> =>
  client.get(['images', fingerprint]).then(
    () => true,
    (error) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );

/** Fetches the files of an image and sends them on. */
const carry = async (cli: Cli, from: Client, value: Image, target: ImageTarget): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'lxc_image_'));
  const progress = progressLine(cli.global.quiet, label);
  try {
    const files: ImageFile[] = [];
    for await (const part of (await exportImage(from, value.fingerprint)).parts) {
      const path = join(directory, `${files.length}-${part.name}`);
      await pipeline(Readable.from(part.body), createWriteStream(path));
      files.push({ path });
    }
    const [first, second] = files;
    if (first === undefined) throw new UserError('The source server sent no image');
    await uploadImage(target.client, [first, second], {
      public: target.public ?? false,
      properties: value.properties,
      filename: value.filename,
      vm: value.type === 'virtual-machine',
      onUpdate: progress?.operation,
    });
  } finally {
    progress?.done();
    rmSync(directory, { recursive: true, force: true });
  }
};

/** Copies an image from one LXD server to another. */
export const copyImage = (cli: Cli, origin: ImageOrigin, target: ImageTarget): Promise<void> => {
  if (origin.mode === 'pull') return pull(cli, origin, target);
  return origin.mode === 'push' ? push(cli, origin, target) : relay(cli, origin, target);
};
