import { badRequest } from '@lxd-ts/driver-kit';
import { isErrno, openRoot } from '@lxd-ts/host';
import { z } from 'zod';
import { config, time } from '../backups/index-file.ts';
import { parseYaml } from '../backups/yaml.ts';
import { type BucketRecord, parseBucketRecord } from '../buckets/record.ts';
import { devices, recordSchema } from '../instances/backups-record.ts';

/** Far more than the records of an instance with a thousand snapshots take. */
const maxBytes = 8 * 1024 * 1024;

const text = z.string().nullish();

/** A list that may be missing. */
const listOf = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);

const volumeRecord = z.object({ config, description: text, created_at: time });

/** What `backup.yaml` in the volume of an instance says (spec 05.241, 10 REC-02). */
const instanceRecordSchema = recordSchema.extend({
  container: recordSchema.shape.container.extend({
    name: z.string(),
    project: z.string().default('default'),
    type: z.enum(['container', 'virtual-machine']).default('container'),
  }),
  pool: z.object({ name: z.string(), driver: z.string(), description: text, config }),
  profiles: listOf(z.object({ name: z.string(), config, devices })),
  volume: volumeRecord.nullish(),
  volume_snapshots: listOf(volumeRecord.extend({ name: z.string(), expires_at: time })),
});
export type RecoveryRecord = z.infer<typeof instanceRecordSchema>;

/** Parses the text of a `backup.yaml`. @throws LxdError bad-request saying what is wrong with it */
export const parseRecord = (yaml: string): RecoveryRecord => {
  const result = instanceRecordSchema.safeParse(parseYaml(yaml, 'its backup file'));
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, 5).map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`);
  throw badRequest(`its backup file is not that of an instance: ${problems.join('; ')}`);
};

/**
 * Reads `backup.yaml` in the directory of a mounted volume; undefined when there is none. The volume may come from anywhere: no
 * symlink is followed, nothing but a regular file is opened, and no more than a sensible size is read.
 *
 * @throws LxdError bad-request saying, as the end of a sentence about the volume, what is wrong
 */
const readBackupFile = async (directory: string): Promise<string | undefined> => {
  using root = openRoot(directory, { followSymlinks: false });
  try {
    await using file = await root.open('backup.yaml');
    const { size } = await file.stat();
    if (size > maxBytes) throw badRequest(`its backup file is larger than ${maxBytes} bytes (${size})`);
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'ELOOP')) throw badRequest('its backup file is a symbolic link', { cause: error });
    if (isErrno(error, 'EINVAL', 'EISDIR')) throw badRequest('its backup file is not a regular file', { cause: error });
    throw error;
  }
};

/** What the volume of an instance says of the instance. @throws LxdError bad-request, as the end of a sentence about the instance */
export const readRecord = async (directory: string): Promise<RecoveryRecord> => {
  const text = await readBackupFile(directory);
  if (text === undefined) throw badRequest('it has no backup file (backup.yaml)');
  return parseRecord(text);
};

/** What the volume of a bucket says of the bucket, if anything. @throws LxdError bad-request, as the end of a sentence about the bucket */
export const readBucketRecord = async (directory: string): Promise<BucketRecord | undefined> => {
  const text = await readBackupFile(directory);
  return text === undefined ? undefined : parseBucketRecord(text);
};
