import { type Config, forbidden, isTrue } from '@lxd-ts/driver-kit';

/** What a restricted project may forbid to make of instances and volumes. */
const words = { backups: 'backup', snapshots: 'snapshot' } as const;

/** @throws LxdError forbidden where a restricted project does not allow it, which is so by default */
export const checkMayMake = (
  what: keyof typeof words,
  { name, config }: { readonly name: string; readonly config: Config },
): void => {
  if (isTrue(config['restricted']) && config[`restricted.${what}`] !== 'allow')
    throw forbidden(`Project "${name}" doesn't allow for ${words[what]} creation`);
};
