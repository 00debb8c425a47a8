import { CommandError } from '@lxd-ts/host';
import { lvm } from './command.ts';
import { type Group, qualified } from './group.ts';

/** Makes a logical volume so many bytes large, whatever is on it. One that is so large already is no error. */
export const resizeLogicalVolume = async (group: Group, name: string, bytes: number): Promise<void> => {
  try {
    await lvm(['lvresize', '--yes', '--force', '--size', `${bytes}b`, qualified(group, name)]);
  } catch (error) {
    if (!(error instanceof CommandError && /matches existing size/.test(error.stderr))) throw error;
  }
};
