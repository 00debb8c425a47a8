import type { NicAttachment } from '@lxd-ts/driver-kit';
import type { Setting } from './settings.ts';

/** Interfaces: each host link moves in, and liblxc moves it back under its own name when the container ends. */
export const networkSettings = (nics: readonly NicAttachment[]): Setting[] =>
  nics.length === 0
    ? [['lxc.net.0.type', 'empty']]
    : nics.flatMap((nic, at) => {
        const key = (name: string) => `lxc.net.${at}.${name}`;
        return [
          [key('type'), 'phys'],
          [key('link'), nic.link],
          [key('name'), nic.name],
          [key('flags'), 'up'],
          ...(nic.hwaddr ? [[key('hwaddr'), nic.hwaddr] satisfies Setting] : []),
          ...(nic.mtu === undefined ? [] : [[key('mtu'), String(nic.mtu)] satisfies Setting]),
        ] satisfies Setting[];
      });
