import type * as z from 'zod';
import { struct, text, textMap, texts } from './schema.ts';

export const networkPeerPut = struct({ description: text, config: textMap });
export type NetworkPeerPut = z.infer<typeof networkPeerPut>;

export const networkPeersPost = struct({
  ...networkPeerPut.shape,
  name: text,
  target_project: text,
  target_network: text,
});
export type NetworkPeersPost = z.infer<typeof networkPeersPost>;

export const networkPeer = struct({ ...networkPeersPost.shape, status: text, used_by: texts });
export type NetworkPeer = z.infer<typeof networkPeer>;
