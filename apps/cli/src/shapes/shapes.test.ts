import * as api from '@lxd-ts/api';
import { describe, expect, it } from 'vitest';
import * as cluster from '../commands/cluster/shape.ts';
import * as image from '../commands/image/shape.ts';
import * as network from '../commands/network/shape.ts';
import { profileShape } from '../commands/profile/kind.ts';
import * as storage from '../commands/storage/shape.ts';
import type { Struct } from '../yaml/shape.ts';
import * as instance from './instance.ts';

const pairs: [name: string, shape: Struct, schema: { shape: object }][] = [
  ['instance', instance.instance, api.instance],
  ['full instance', instance.instanceFull, api.instanceFull],
  ['instance snapshot', instance.instanceSnapshot, api.instanceSnapshot],
  ['profile', profileShape, api.profile],
  ['network', network.networkShape, api.network],
  ['lease', network.leaseShape, api.networkLease],
  ['ACL', network.aclShape, api.networkACL],
  ['ACL rule', network.aclRule, api.networkACLRule],
  ['forward', network.forwardShape, api.networkForward],
  ['load balancer', network.balancerShape, api.networkLoadBalancer],
  ['peer', network.peerShape, api.networkPeer],
  ['zone', network.zoneShape, api.networkZone],
  ['zone record', network.recordShape, api.networkZoneRecord],
  ['pool', storage.poolShape, api.storagePool],
  ['volume', storage.volumeShape, api.storageVolume],
  ['volume snapshot', storage.volumeSnapshotShape, api.storageVolumeSnapshot],
  ['bucket', storage.bucketShape, api.storageBucket],
  ['bucket key', storage.bucketKeyShape, api.storageBucketKey],
  ['image', image.imageShape, api.image],
  ['image alias', image.imageAlias, api.imageAliasesEntry],
  ['cluster member', cluster.memberShape, api.clusterMember],
  ['cluster group', cluster.groupShape, api.clusterGroup],
  ['cluster member state', cluster.memberState, api.clusterMemberState],
];

describe('what is printed of an API object', () => {
  it.each(pairs)('%s: all its fields, in the order of the wire', (_name, shape, schema) => {
    expect(Object.keys(shape.fields)).toEqual(Object.keys(schema.shape));
  });
});
