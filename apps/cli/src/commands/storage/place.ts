import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { targetFlag } from '../../command/flags.ts';
import { required } from '../common/object.ts';

/** The flag that says on which cluster member a volume is. */
export const memberFlags = { target: targetFlag };

/** A volume or one of its snapshots, on its server. */
export interface VolumePlace {
  client: Client;
  pool: string;
  type: string;
  name: string;
  snapshot: string | undefined;
  /** The path of the volume, without the snapshot. */
  volume: string[];
  /** The path of what is meant: the snapshot if one is named. */
  segments: string[];
}

const types = ['custom', 'image', 'container', 'virtual-machine'];

/** Takes `[type/]name[/snapshot]` apart; without a type it is a volume made by a user. */
export const splitVolume = (text: string): { type: string; name: string; snapshot: string | undefined } => {
  const [first = '', ...rest] = text.split('/');
  const typed = rest.length > 0 && types.includes(first);
  const [name = '', snapshot] = typed ? rest : [first, ...rest];
  return { type: typed ? first : 'custom', name, snapshot };
};

/** Finds the volume that `[<remote>:]<pool>` and `[<type>/]<volume>[/<snapshot>]` mean. */
export const volumePlace = async (
  cli: Cli,
  [text = '', volume = '']: readonly string[],
  target = '',
): Promise<VolumePlace> => {
  const { client, name: pool } = await cli.locate(text);
  required(pool, 'pool name');
  const { type, name, snapshot } = splitVolume(volume);
  const segments = ['storage-pools', pool, 'volumes', type, required(name, 'volume name')];
  return {
    client: target === '' ? client : client.onMember(target),
    pool,
    type,
    name,
    snapshot,
    volume: segments,
    segments: snapshot === undefined ? segments : [...segments, 'snapshots', snapshot],
  };
};
