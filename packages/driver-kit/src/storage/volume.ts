import { parseSize } from '../config.ts';
import type { Volume } from './contract.ts';

/** A volume in the words of a message: `Snapshot "s0" of volume "v1"`. */
export const describeVolume = ({ name, snapshot }: Volume): string =>
  snapshot === undefined ? `Volume "${name}"` : `Snapshot "${snapshot}" of volume "${name}"`;

/** The size a volume is configured to have, in bytes; undefined when none is set. */
export const volumeSize = ({ config }: Volume): number | undefined =>
  config.size ? parseSize(config.size) : undefined;

/** The volume that a snapshot is of. */
export const parentOf = ({ snapshot: _, ...volume }: Volume): Volume => volume;
