import { capabilities, setCapabilities, setFsIds } from './syscalls.ts';

/** Takes all capabilities but some out of the effective set; see `capabilities` for the form. */
const reduced = (held: Buffer, wanted: readonly number[]): Buffer => {
  const mask = wanted.reduce((bits, capability) => bits | (1n << BigInt(capability)), 0n);
  const sets = Buffer.from(held);
  sets.writeUInt32LE(held.readUInt32LE(0) & Number(mask & 0xffff_ffffn), 0);
  sets.writeUInt32LE(held.readUInt32LE(12) & Number(mask >> 32n), 12);
  return sets;
};

/**
 * Runs a function with the file system ids of a container's user: what it makes belongs to them. On file systems that
 * show ids through a map, root of the host has no id at all and can make nothing.
 * Only the calling thread is affected, so the function must be synchronous.
 *
 * @param uid - on the host, as is `gid`
 * @param powers - numbers of capabilities(7) to keep in force; default: all
 */
export const asOwner = <T>(uid: number, gid: number, action: () => T, powers?: readonly number[]): T => {
  const held = capabilities();
  setFsIds(uid, gid);
  try {
    // Leaving user 0 has taken the capabilities over files away.
    setCapabilities(powers ? reduced(held, powers) : held);
    return action();
  } finally {
    setCapabilities(held);
    setFsIds(0, 0);
    setCapabilities(held);
  }
};
