import type * as z from 'zod';
import { certificatePut, certificatesPost } from './certificates.ts';
import {
  clusterCertificatePut,
  clusterGroupPost,
  clusterGroupPut,
  clusterGroupsPost,
  clusterMemberPost,
  clusterMemberPut,
  clusterMemberStatePost,
  clusterMembersPost,
  clusterPut,
} from './cluster.ts';
import {
  imageAliasesEntryPost,
  imageAliasesEntryPut,
  imageAliasesPost,
  imageExportPost,
  imageMetadata,
  imagePut,
  imagesPost,
} from './images.ts';
import {
  instanceBackupPost,
  instanceBackupsPost,
  instanceConsolePost,
  instanceExecPost,
  instancePost,
  instancePut,
  instanceRebuildPost,
  instanceSnapshotPost,
  instanceSnapshotPut,
  instanceSnapshotsPost,
  instanceStatePut,
  instancesPost,
  instancesPut,
} from './instances.ts';
import {
  networkACLPost,
  networkACLPut,
  networkACLsPost,
  networkForwardPut,
  networkForwardsPost,
  networkLoadBalancerPut,
  networkLoadBalancersPost,
  networkPeerPut,
  networkPeersPost,
  networkPost,
  networkPut,
  networksPost,
  networkZonePut,
  networkZoneRecordPut,
  networkZoneRecordsPost,
  networkZonesPost,
} from './networks.ts';
import { profilePost, profilePut, profilesPost } from './profiles.ts';
import { projectPost, projectPut, projectsPost } from './projects.ts';
import { patchOf } from './schema.ts';
import { serverPut } from './server.ts';
import {
  storageBucketKeyPut,
  storageBucketKeysPost,
  storageBucketPut,
  storageBucketsPost,
  storagePoolPut,
  storagePoolsPost,
  storagePoolVolumeBackupPost,
  storagePoolVolumeBackupsPost,
  storageVolumePost,
  storageVolumePut,
  storageVolumeSnapshotPost,
  storageVolumeSnapshotPut,
  storageVolumeSnapshotsPost,
  storageVolumesPost,
} from './storage.ts';
import { warningPut } from './warnings.ts';

/** A request with a JSON body. */
export interface RequestDescription {
  readonly method: 'POST' | 'PUT' | 'PATCH';
  /** Path below `/1.0`; `{name}` stands for one segment. */
  readonly path: string;
  readonly body: z.ZodType;
}

interface Bodies {
  readonly POST?: z.ZodType;
  readonly PUT?: z.ZodType;
  readonly PATCH?: z.ZodType;
}

/** The same fields by PUT, which replaces, and by PATCH, which changes those given (spec 09 MOD-03, MOD-04). */
const editable = (schema: z.ZodType & Parameters<typeof patchOf>[0]): Bodies => ({
  PUT: schema,
  PATCH: patchOf(schema),
});

const bodies: Readonly<Record<string, Bodies>> = {
  '': editable(serverPut),
  '/certificates': { POST: certificatesPost },
  '/certificates/{fingerprint}': editable(certificatePut),
  '/cluster': { PUT: clusterPut },
  '/cluster/certificate': { PUT: clusterCertificatePut },
  '/cluster/groups': { POST: clusterGroupsPost },
  '/cluster/groups/{name}': { POST: clusterGroupPost, ...editable(clusterGroupPut) },
  '/cluster/members': { POST: clusterMembersPost },
  '/cluster/members/{name}': { POST: clusterMemberPost, ...editable(clusterMemberPut) },
  '/cluster/members/{name}/state': { POST: clusterMemberStatePost },
  '/images': { POST: imagesPost },
  '/images/{fingerprint}': editable(imagePut),
  '/images/{fingerprint}/export': { POST: imageExportPost },
  '/images/aliases': { POST: imageAliasesPost },
  '/images/aliases/{name}': { POST: imageAliasesEntryPost, ...editable(imageAliasesEntryPut) },
  '/instances': { POST: instancesPost, PUT: instancesPut },
  '/instances/{name}': { POST: instancePost, ...editable(instancePut) },
  '/instances/{name}/backups': { POST: instanceBackupsPost },
  '/instances/{name}/backups/{backup}': { POST: instanceBackupPost },
  '/instances/{name}/console': { POST: instanceConsolePost },
  '/instances/{name}/exec': { POST: instanceExecPost },
  '/instances/{name}/metadata': editable(imageMetadata),
  '/instances/{name}/rebuild': { POST: instanceRebuildPost },
  '/instances/{name}/snapshots': { POST: instanceSnapshotsPost },
  '/instances/{name}/snapshots/{snapshot}': { POST: instanceSnapshotPost, ...editable(instanceSnapshotPut) },
  '/instances/{name}/state': { PUT: instanceStatePut },
  '/network-acls': { POST: networkACLsPost },
  '/network-acls/{name}': { POST: networkACLPost, ...editable(networkACLPut) },
  '/network-zones': { POST: networkZonesPost },
  '/network-zones/{zone}': editable(networkZonePut),
  '/network-zones/{zone}/records': { POST: networkZoneRecordsPost },
  '/network-zones/{zone}/records/{name}': editable(networkZoneRecordPut),
  '/networks': { POST: networksPost },
  '/networks/{name}': { POST: networkPost, ...editable(networkPut) },
  '/networks/{name}/forwards': { POST: networkForwardsPost },
  '/networks/{name}/forwards/{listenAddress}': editable(networkForwardPut),
  '/networks/{name}/load-balancers': { POST: networkLoadBalancersPost },
  '/networks/{name}/load-balancers/{listenAddress}': editable(networkLoadBalancerPut),
  '/networks/{name}/peers': { POST: networkPeersPost },
  '/networks/{name}/peers/{peerName}': editable(networkPeerPut),
  '/profiles': { POST: profilesPost },
  '/profiles/{name}': { POST: profilePost, ...editable(profilePut) },
  '/projects': { POST: projectsPost },
  '/projects/{name}': { POST: projectPost, ...editable(projectPut) },
  '/storage-pools': { POST: storagePoolsPost },
  '/storage-pools/{pool}': editable(storagePoolPut),
  '/storage-pools/{pool}/buckets': { POST: storageBucketsPost },
  '/storage-pools/{pool}/buckets/{bucket}': editable(storageBucketPut),
  '/storage-pools/{pool}/buckets/{bucket}/keys': { POST: storageBucketKeysPost },
  '/storage-pools/{pool}/buckets/{bucket}/keys/{key}': { PUT: storageBucketKeyPut },
  '/storage-pools/{pool}/volumes': { POST: storageVolumesPost },
  '/storage-pools/{pool}/volumes/{type}': { POST: storageVolumesPost },
  '/storage-pools/{pool}/volumes/{type}/{volume}': { POST: storageVolumePost, ...editable(storageVolumePut) },
  '/storage-pools/{pool}/volumes/{type}/{volume}/backups': { POST: storagePoolVolumeBackupsPost },
  '/storage-pools/{pool}/volumes/{type}/{volume}/backups/{backup}': { POST: storagePoolVolumeBackupPost },
  '/storage-pools/{pool}/volumes/{type}/{volume}/snapshots': { POST: storageVolumeSnapshotsPost },
  '/storage-pools/{pool}/volumes/{type}/{volume}/snapshots/{snapshot}': {
    POST: storageVolumeSnapshotPost,
    ...editable(storageVolumeSnapshotPut),
  },
  '/warnings/{uuid}': editable(warningPut),
};

/** Every request of the API that has a JSON body: what can be sent where. */
export const requests: readonly RequestDescription[] = Object.entries(bodies).flatMap(([path, methods]) =>
  (['POST', 'PUT', 'PATCH'] as const).flatMap((method) => {
    const body = methods[method];
    return body ? [{ method, path, body }] : [];
  }),
);
