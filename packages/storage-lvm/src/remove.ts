import { isMissing, lvm } from './command.ts';
import { type Group, qualified } from './group.ts';

/** Removes a logical volume. Nothing there is no error. */
export const removeLogicalVolume = async (group: Group, name: string): Promise<void> => {
  try {
    await lvm(['lvremove', '--force', '--yes', qualified(group, name)]);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
};
