import { command, type Leaf } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { attachDevice, detachDevice, type Owner } from '../common/attach.ts';
import { required } from '../common/object.ts';
import { splitVolume } from './place.ts';

/** After the instance come a device name, a path, or both; a path begins with a slash. */
const deviceAndPath = (volume: string, words: readonly string[]): { device: string; path: string | undefined } => {
  const [first, second] = words;
  if (second !== undefined) return { device: first ?? volume, path: second };
  if (first?.startsWith('/')) return { device: volume, path: first };
  return { device: first ?? volume, path: undefined };
};

const attachCommand = (owner: Owner, use: string, short: string): Leaf =>
  command({
    use,
    short,
    args: [3, 5],
    run: async (cli, { args: [text = '', volume = '', name = '', ...words] }) => {
      const { client, name: pool } = await cli.locate(text);
      const source = splitVolume(volume);
      if (source.type !== 'custom') throw new UserError('Only "custom" volumes can be attached to instances');
      if (source.snapshot !== undefined) {
        throw new UserError('A snapshot cannot be attached, copy it to a volume of its own: lxc storage volume copy');
      }
      const { device, path } = deviceAndPath(source.name, words);
      await attachDevice(cli, client, owner, name, device, {
        ...(path === undefined ? {} : { path }),
        pool: required(pool, 'pool name'),
        source: source.name,
        type: 'disk',
      });
    },
  });

const detachCommand = (owner: Owner, use: string, short: string): Leaf =>
  command({
    use,
    short,
    args: [3, 4],
    run: async (cli, { args: [text = '', volume = '', name = '', device] }) => {
      const { client, name: pool } = await cli.locate(text);
      required(pool, 'pool name');
      await detachDevice(cli, client, owner, name, device, {
        what: 'storage volume',
        matches: (found) => found.type === 'disk' && found.pool === pool && found.source === splitVolume(volume).name,
      });
    },
  });

const toInstance = '[<remote>:]<pool> <volume> <instance> [<device name>]';
const toProfile = '[<remote:>]<pool> <volume> <profile> [<device name>]';

export const volumeAttach = attachCommand(
  'instances',
  `${toInstance} [<path>]`,
  'Attach new storage volumes to instances',
);
export const volumeAttachProfile = attachCommand(
  'profiles',
  `${toProfile} [<path>]`,
  'Attach new storage volumes to profiles',
);
export const volumeDetach = detachCommand('instances', toInstance, 'Detach storage volumes from instances');
export const volumeDetachProfile = detachCommand('profiles', toProfile, 'Detach storage volumes from profiles');
