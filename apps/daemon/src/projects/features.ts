import { type Config, isTrue } from '@lxd-ts/driver-kit';

/** What a project either has of its own or shares with the default project. */
export type ProjectFeature =
  | 'features.images'
  | 'features.networks'
  | 'features.profiles'
  | 'features.storage.buckets'
  | 'features.storage.volumes';

/** The project whose entities of a kind a project uses: itself, or the default project. */
export const ownerOf = (
  { name, config }: { readonly name: string; readonly config: Config },
  feature: ProjectFeature,
): string => (isTrue(config[feature]) ? name : 'default');
