import { type Client, transfer } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, string, targetFlag } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { attended, operate } from '../common/operate.ts';
import { transferMode } from '../instance/copy.ts';

/** `[<remote>:]<pool>/<volume>[/<snapshot>]` in its parts. */
interface Ref {
  client: Client;
  remote: string;
  pool: string;
  volume: string;
  snapshot: string | undefined;
}

const read = async (cli: Cli, text: string, end: 'source' | 'target'): Promise<Ref> => {
  const { client, remote, name } = await cli.locate(text);
  const [pool = '', volume, snapshot] = name.split('/', 3);
  if (volume === undefined) throw new UserError(`No storage pool for ${end} volume specified`);
  if (end === 'target' && snapshot !== undefined) throw new UserError('Storage volume names may not contain slashes');
  return { client, remote, pool, volume, snapshot };
};

interface Wish {
  mode: string;
  /** The member the source is on. */
  member: string;
  /** The member the copy shall be on. */
  destination: string;
  project: string;
  volumeOnly: boolean;
  refresh: boolean;
}

/** What a copy takes over from a volume or snapshot. */
interface Volume {
  config: object;
  description: string;
  content_type: string;
  location: string;
}

const collection = (pool: string): string[] => ['storage-pools', pool, 'volumes', 'custom'];

const copy = async (cli: Cli, source: Ref, target: Ref, wish: Wish, label: string): Promise<void> => {
  const { pool, volume, snapshot } = source;
  const from = wish.member === '' ? source.client : source.client.onMember(wish.member);
  let to = target.client;
  if (wish.project !== '') to = to.inProject(wish.project);
  const segments = [...collection(pool), volume];
  const { value } = await from.get<Volume>(segments);
  // On the same server a copy stays on the member of its source unless told otherwise.
  const home = source.remote === target.remote && value.location !== 'none' ? value.location : '';
  const member = wish.destination || home;
  if (member !== '') to = to.onMember(member);
  const settings =
    snapshot === undefined ? value : (await from.get<Volume>([...segments, 'snapshots', snapshot])).value;
  const body = {
    name: target.volume,
    type: 'custom',
    config: settings.config,
    description: settings.description,
    content_type: value.content_type,
  };
  const name = snapshot === undefined ? volume : `${volume}/${snapshot}`;
  const common = { name, pool, volume_only: wish.volumeOnly, refresh: wish.refresh };
  if (source.remote === target.remote) {
    const sameProject = (from.project || 'default') === (to.project || 'default');
    const project = sameProject ? {} : { project: from.project || 'default' };
    const location = wish.member === '' ? {} : { location: wish.member };
    const copied = { ...common, type: 'copy', ...project, ...location };
    await operate(cli, to, 'POST', collection(target.pool), { ...body, source: copied }, { label });
    return;
  }
  if (snapshot !== undefined) {
    throw new UserError(
      `A snapshot cannot be sent to another server, make a volume of it first: lxc storage volume copy ${pool}/${name} ${pool}/<volume>`,
    );
  }
  const wanted = {
    mode: transferMode(wish.mode),
    source: { client: from, segments, body: { name: volume, volume_only: wish.volumeOnly } },
    target: { client: to, segments: collection(target.pool), body, from: common },
  };
  try {
    await attended(cli, label, (watch) => transfer({ ...wanted, ...watch }));
  } catch (error) {
    throw error instanceof Error ? new UserError(`Failed storage volume creation: ${error.message}`) : error;
  }
};

const use = '[<remote>:]<pool>/<volume>';
const destinationFlag = string('Destination cluster member name');

export const volumeCopy = command({
  use: `${use}[/<snapshot>] ${use}`,
  short: 'Copy storage volumes',
  args: [2, 2],
  flags: {
    'destination-target': destinationFlag,
    mode: string('Transfer mode. One of pull (default), push or relay.', { default: 'pull' }),
    refresh: bool('Refresh and update the existing storage volume copies'),
    target: targetFlag,
    'target-project': string('Copy to a project different from the source'),
    'volume-only': bool('Copy the volume without its snapshots'),
  },
  run: async (cli, { args: [from = '', to = ''], flags }) => {
    const source = await read(cli, from, 'source');
    const wish = {
      mode: flags.mode,
      member: flags.target,
      destination: flags['destination-target'],
      project: flags['target-project'],
      volumeOnly: flags['volume-only'],
      refresh: flags.refresh,
    };
    await copy(cli, source, await read(cli, to, 'target'), wish, 'Copying the storage volume: %s');
    if (!cli.global.quiet) out('Storage volume copied successfully!\n');
  },
});

export const volumeMove = command({
  use: `${use} ${use}`,
  short: 'Move storage volumes between pools',
  args: [2, 2],
  flags: {
    'destination-target': destinationFlag,
    mode: string('Transfer mode, one of pull (default), push or relay', { default: 'pull' }),
    target: targetFlag,
    'target-project': string('Move to a project different from the source'),
  },
  run: async (cli, { args: [from = '', to = ''], flags }) => {
    const source = await read(cli, from, 'source');
    const target = await read(cli, to, 'target');
    const { target: member, 'destination-target': destination, 'target-project': project } = flags;
    if (source.snapshot !== undefined)
      throw new UserError('A snapshot cannot be moved, copy it to a volume of its own');
    const label = 'Moving the storage volume: %s';
    const client = member === '' ? source.client : source.client.onMember(member);
    if (source.remote === target.remote && destination === member) {
      // The server can do that itself, and knows who uses the volume.
      await operate(
        cli,
        client,
        'POST',
        [...collection(source.pool), source.volume],
        { name: target.volume, pool: target.pool, project },
        { label },
      );
    } else {
      const wish = { mode: flags.mode, member, destination, project, volumeOnly: false, refresh: false };
      await copy(cli, source, target, wish, label);
      await client.send('DELETE', [...collection(source.pool), source.volume]);
    }
    if (!cli.global.quiet) out('Storage volume moved successfully!\n');
  },
});
