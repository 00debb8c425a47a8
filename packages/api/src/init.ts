import * as z from 'zod';
import { clusterPut } from './cluster.ts';
import { networksPost } from './networks.ts';
import { profilesPost } from './profiles.ts';
import { projectsPost } from './projects.ts';
import { nullable, struct, text, textMap } from './schema.ts';
import { storagePoolsPost } from './storage.ts';

/** A network of a preseed, with the project it belongs to. */
export const initNetworksProjectPost = struct({ ...networksPost.shape, Project: text });
export type InitNetworksProjectPost = z.infer<typeof initNetworksProjectPost>;

/** What a preseed sets on one server. */
export const initLocalPreseed = struct({
  config: textMap,
  networks: z.array(initNetworksProjectPost),
  storage_pools: z.array(storagePoolsPost),
  profiles: z.array(profilesPost),
  projects: z.array(projectsPost),
});
export type InitLocalPreseed = z.infer<typeof initLocalPreseed>;

/** What a preseed says about the cluster to make or join. */
export const initClusterPreseed = struct({
  ...clusterPut.shape,
  cluster_certificate_path: text,
  cluster_token: text,
});
export type InitClusterPreseed = z.infer<typeof initClusterPreseed>;

/** The preseed of `lxd init --preseed`. */
export const initPreseed = struct({ Node: initLocalPreseed, cluster: nullable(initClusterPreseed) });
export type InitPreseed = z.infer<typeof initPreseed>;
