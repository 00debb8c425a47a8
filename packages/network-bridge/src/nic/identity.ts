/** How the things a NIC has on the host are found again, after a crash as well. */
import { createHash } from 'node:crypto';
import type { DeviceContext } from '@lxd-ts/driver-kit';
import { type Link, listLinks } from '@lxd-ts/host';

const longest = 200;

/** `PROJECT/INSTANCE/DEVICE` in the characters that an alias of a link and the name of an nftables table may have. */
const nicKey = (project: string, instance: string, device: string): string => {
  const encode = (part: string): string =>
    part.replace(/[^A-Za-z0-9.-]/gu, (character) => `_${character.codePointAt(0)?.toString(16)}_`);
  const key = [project, instance, device].map(encode).join('/');
  return key.length <= longest ? key : createHash('sha256').update(key).digest('hex');
};

export interface NicIdentity {
  /** The alias of the host's end of the pair (ip-link(8)). */
  readonly alias: string;
  /** The alias of the intermediate device of its outgoing traffic. */
  readonly detour: string;
  /** The nftables table. */
  readonly table: string;
}

export const nicIdentity = (context: Pick<DeviceContext, 'instance'>, device: string): NicIdentity => {
  const key = nicKey(context.instance.project, context.instance.name, device);
  return { alias: `lxdts-nic:${key}`, detour: `lxdts-ifb:${key}`, table: `lxdts_nic/${key}` };
};

/** The host's ends of this NIC's pair: one, or none. */
export const linksOf = ({ alias }: NicIdentity): Link[] => listLinks().filter((link) => link.alias === alias);
