import type { Client } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { UserError } from '../../command/errors.ts';
import { instancePut } from '../../shapes/instance.ts';
import type { Config, Devices } from '../../shapes/types.ts';
import { profilePut } from '../profile/kind.ts';
import { pick } from './object.ts';
import { operate } from './operate.ts';

/** What a device is attached to. */
export type Owner = 'instances' | 'profiles';

/** What of an owner is sent back: the fields that can be changed. */
export const changeable = (owner: Owner, value: object): Record<string, unknown> =>
  pick(value, owner === 'instances' ? instancePut : profilePut);

interface Found {
  devices: Devices;
}

/** Adds a device to an instance or a profile. Throws UserError if there is one of that name. */
export const attachDevice = async (
  cli: Cli,
  client: Client,
  owner: Owner,
  name: string,
  device: string,
  properties: Config,
): Promise<void> => {
  const segments = [owner, name];
  const { value, etag } = await client.get<Found>(segments);
  if (value.devices[device]) throw new UserError(`Device already exists: ${device}`);
  const devices = { ...value.devices, [device]: properties };
  await operate(cli, client, 'PUT', segments, { ...changeable(owner, value), devices }, { etag });
};

/** How a family of commands finds the devices that belong to something, and what it calls that. */
export interface Belonging {
  matches(device: Config): boolean;
  /** As in `No device found for this network`. */
  what: string;
}

/** Takes a device away again: the one named, or the only one that belongs to the thing. */
export const detachDevice = async (
  cli: Cli,
  client: Client,
  owner: Owner,
  name: string,
  device: string | undefined,
  { matches, what }: Belonging,
): Promise<void> => {
  const segments = [owner, name];
  const { value, etag } = await client.get<Found>(segments);
  let chosen = device;
  if (chosen === undefined) {
    const [only, ...others] = Object.entries(value.devices).filter(([, found]) => matches(found));
    if (only === undefined) throw new UserError(`No device found for this ${what}`);
    if (others.length > 0) throw new UserError('More than one device matches, specify the device name');
    chosen = only[0];
  }
  const found = value.devices[chosen];
  if (found === undefined) throw new UserError("The specified device doesn't exist");
  if (!matches(found)) throw new UserError(`The specified device doesn't match the ${what}`);
  const { [chosen]: _gone, ...devices } = value.devices;
  await operate(cli, client, 'PUT', segments, { ...changeable(owner, value), devices }, { etag });
};
