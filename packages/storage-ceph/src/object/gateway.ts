/** Ceph's S3 gateway as an administrator sees it: users, their keys, and quotas, by `radosgw-admin`. */
import type { BucketCredentials, BucketRole } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { type Cluster, ceph, cephJson, endedWith } from '../cluster.ts';

const userShape = z.object({
  user_id: z.string(),
  /** `user` is the user's id, or `id:subuser`. */
  keys: z.array(z.object({ user: z.string(), access_key: z.string(), secret_key: z.string() })),
});

const statsShape = z.object({
  owner: z.string(),
  usage: z.record(z.string(), z.object({ size: z.number().optional(), size_actual: z.number().optional() })),
});

/** A key of a user. One that may only read belongs to a subuser, whose name is its access key. */
export interface GatewayKey extends BucketCredentials {
  readonly role: BucketRole;
}

export interface GatewayUser {
  readonly id: string;
  readonly keys: readonly GatewayKey[];
}

/** How the program says that a user, bucket, subuser or key is not there. */
const missing = ['ENOENT', 'EINVAL', 'noSuchBucket', 'noSuchSubuser', 'invalidAccessKey'] as const;

export type Gateway = ReturnType<typeof gatewayOf>;

export const gatewayOf = (cluster: Cluster) => {
  const admin = (...args: readonly string[]): Promise<string> => ceph(cluster, ['radosgw-admin', ...args]);

  const ifThere = async <T>(work: Promise<T>, ...also: 'EACCES'[]): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (endedWith(error, ...missing, ...also)) return undefined;
      throw error;
    }
  };

  const findUser = async (by: string, ...also: 'EACCES'[]): Promise<GatewayUser | undefined> => {
    const user = await ifThere(cephJson(cluster, ['radosgw-admin', 'user', 'info', by], userShape), ...also);
    return (
      user && {
        id: user.user_id,
        keys: user.keys.map((key) => ({
          accessKey: key.access_key,
          secretKey: key.secret_key,
          role: key.user === user.user_id ? 'admin' : 'read-only',
        })),
      }
    );
  };

  return {
    user: (id: string): Promise<GatewayUser | undefined> => findUser(`--uid=${id}`),
    /** The one who has an access key. The program says that access is denied when nobody has it. */
    userWithKey: (accessKey: string): Promise<GatewayUser | undefined> =>
      findUser(`--access-key=${accessKey}`, 'EACCES'),

    /** @throws LxdError conflict when there is one */
    createUser: (id: string, name: string, { accessKey, secretKey }: BucketCredentials): Promise<unknown> =>
      admin(
        'user',
        'create',
        `--uid=${id}`,
        `--display-name=${name}`,
        `--access-key=${accessKey}`,
        `--secret-key=${secretKey}`,
      ),

    /** Removes a user with keys, buckets and objects. Nothing there is no error. */
    removeUser: (id: string): Promise<unknown> => ifThere(admin('user', 'rm', `--uid=${id}`, '--purge-data')),

    async addKey(id: string, { accessKey, secretKey, role }: GatewayKey): Promise<void> {
      const credentials = [`--access-key=${accessKey}`, `--secret-key=${secretKey}`, '--key-type=s3'];
      if (role === 'admin') await admin('key', 'create', `--uid=${id}`, ...credentials);
      else await admin('subuser', 'create', `--uid=${id}`, `--subuser=${accessKey}`, '--access=read', ...credentials);
    },

    async removeKey(id: string, { accessKey, role }: GatewayKey): Promise<void> {
      if (role === 'admin') {
        await ifThere(admin('key', 'rm', `--uid=${id}`, `--access-key=${accessKey}`, '--key-type=s3'));
      } else {
        await ifThere(admin('subuser', 'rm', `--uid=${id}`, `--subuser=${accessKey}`, '--purge-keys'));
      }
    },

    /** The bytes that count towards a bucket's quota, and its owner; undefined when there is no such bucket. */
    async bucket(name: string): Promise<{ readonly owner: string; readonly size: number } | undefined> {
      const stats = await ifThere(
        cephJson(cluster, ['radosgw-admin', 'bucket', 'stats', `--bucket=${name}`], statsShape),
      );
      if (stats === undefined) return undefined;
      const sizes = Object.values(stats.usage).map(({ size, size_actual: rounded }) => rounded ?? size ?? 0);
      return { owner: stats.owner, size: sizes.reduce((sum, size) => sum + size, 0) };
    },

    async setQuota(name: string, id: string, size: number | undefined): Promise<void> {
      const which = ['--quota-scope=bucket', `--uid=${id}`, `--bucket=${name}`];
      if (size === undefined) {
        await admin('quota', 'disable', ...which);
      } else {
        await admin('quota', 'set', ...which, `--max-size=${size}`, '--max-objects=-1');
        await admin('quota', 'enable', ...which);
      }
    },
  };
};
