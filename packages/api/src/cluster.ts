import * as z from 'zod';
import { choice, count, decimal, flag, integer, struct, text, textMap, texts, time } from './schema.ts';
import { storagePoolState } from './storage.ts';

export const clusterMemberConfigKey = struct({ entity: text, name: text, key: text, value: text, description: text });
export type ClusterMemberConfigKey = z.infer<typeof clusterMemberConfigKey>;

export const cluster = struct({ server_name: text, enabled: flag, member_config: z.array(clusterMemberConfigKey) });
export type Cluster = z.infer<typeof cluster>;

/** Body of `PUT /1.0/cluster`: bootstrap, join or disable. */
export const clusterPut = struct({
  ...cluster.shape,
  cluster_address: text,
  cluster_certificate: text,
  server_address: text,
  cluster_password: text,
});
export type ClusterPut = z.infer<typeof clusterPut>;

export const clusterCertificatePut = struct({ cluster_certificate: text, cluster_certificate_key: text });
export type ClusterCertificatePut = z.infer<typeof clusterCertificatePut>;

export const clusterMemberPut = struct({
  roles: texts,
  failure_domain: text,
  description: text,
  config: textMap,
  groups: texts,
});
export type ClusterMemberPut = z.infer<typeof clusterMemberPut>;

/** Asks for a join token. */
export const clusterMembersPost = struct({ server_name: text });
export type ClusterMembersPost = z.infer<typeof clusterMembersPost>;

/** A rename. */
export const clusterMemberPost = struct({ server_name: text });
export type ClusterMemberPost = z.infer<typeof clusterMemberPost>;

export const clusterMember = struct({
  ...clusterMemberPut.shape,
  server_name: text,
  url: text,
  database: flag,
  status: text,
  message: text,
  architecture: text,
});
export type ClusterMember = z.infer<typeof clusterMember>;

/** What a join token holds, as base64 of this JSON. */
export const clusterMemberJoinToken = struct({
  server_name: text,
  fingerprint: text,
  addresses: texts,
  secret: text,
  expires_at: time,
});
export type ClusterMemberJoinToken = z.infer<typeof clusterMemberJoinToken>;

/** Body of `POST /1.0/cluster/members/<name>/state` (spec 09 EP-10); `mode` overrides how instances are evacuated. */
export const clusterMemberStatePost = struct({ action: choice('evacuate', 'restore'), mode: text });
export type ClusterMemberStatePost = z.infer<typeof clusterMemberStatePost>;

/** Seconds, bytes and numbers of processes, from sysinfo(2). */
export const clusterMemberSysInfo = struct({
  uptime: integer,
  load_averages: z.array(decimal),
  total_ram: count,
  free_ram: count,
  shared_ram: count,
  buffered_ram: count,
  total_swap: count,
  free_swap: count,
  processes: count,
});
export type ClusterMemberSysInfo = z.infer<typeof clusterMemberSysInfo>;

export const clusterMemberState = struct({
  sysinfo: clusterMemberSysInfo,
  storage_pools: z.record(z.string(), storagePoolState),
});
export type ClusterMemberState = z.infer<typeof clusterMemberState>;

export const clusterGroupPut = struct({ description: text, members: texts });
export type ClusterGroupPut = z.infer<typeof clusterGroupPut>;

export const clusterGroupsPost = struct({ ...clusterGroupPut.shape, name: text });
export type ClusterGroupsPost = z.infer<typeof clusterGroupsPost>;

/** A rename. */
export const clusterGroupPost = struct({ name: text });
export type ClusterGroupPost = z.infer<typeof clusterGroupPost>;

export const clusterGroup = struct({ ...clusterGroupPut.shape, name: text });
export type ClusterGroup = z.infer<typeof clusterGroup>;
