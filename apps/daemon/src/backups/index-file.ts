/** What the indexes of backups have in common: YAML as Go writes it, where null stands for nothing. */
import { badRequest } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { parseYaml } from './yaml.ts';

export const config = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
  .nullish()
  .transform((value) => value ?? {});
export const namesOrNone = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? []);
/** A time; Go's zero time, which stands for none, is undefined. */
export const time = z
  .string()
  .nullish()
  .transform((value, context) => {
    if (!value || value.startsWith('0001-01-01')) return undefined;
    const date = new Date(value);
    if (!Number.isNaN(date.getTime())) return date;
    context.addIssue({ code: 'custom', message: 'is not a time' });
    return z.NEVER;
  });

/**
 * Parses `backup/index.yaml`.
 *
 * @param what - what it should be of: `an instance`
 * @throws LxdError bad-request saying what is wrong with it
 */
export const parseIndexAs = <T>(yaml: string, schema: z.ZodType<T>, what: string): T => {
  const result = schema.safeParse(parseYaml(yaml, 'The index of the backup'));
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
  throw badRequest(`The index of the backup is not that of ${what}: ${problems.join('; ')}`);
};
