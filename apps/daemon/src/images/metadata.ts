import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

const text = z.union([z.string(), z.number(), z.boolean()]).transform(String);

const template = z.object({
  when: z.array(z.string()).default([]),
  create_only: z.boolean().default(false),
  template: z.string(),
  properties: z.record(z.string(), text).default({}),
});

/** `metadata.yaml` of an image or instance (spec 04.126–133). Dates are seconds since 1970. */
export const metadataSchema = z.object({
  architecture: z.string({ error: 'is missing' }).min(1),
  creation_date: z.number({ error: 'is missing' }),
  expiry_date: z.number().default(0),
  properties: z
    .record(z.string(), text)
    .nullish()
    .transform((value) => value ?? {}),
  templates: z
    .record(z.string(), template)
    .nullish()
    .transform((value) => value ?? {}),
});
export type Metadata = z.infer<typeof metadataSchema>;
export type TemplateRule = z.infer<typeof template>;

/** Parses `metadata.yaml`. @throws LxdError bad-request saying what is wrong with it */
export const parseMetadata = (yaml: string): Metadata => {
  let value: unknown;
  try {
    value = parseYaml(yaml);
  } catch (error) {
    throw badRequest(`metadata.yaml is not valid YAML: ${messageOf(error)}`, { cause: error });
  }
  const result = metadataSchema.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
    throw badRequest(`metadata.yaml is not that of an image: ${problems.join('; ')}`);
  }
  return result.data;
};

/** Reads `metadata.yaml` in a directory; undefined when there is none. */
export const readMetadata = async (directory: string): Promise<Metadata | undefined> => {
  try {
    return parseMetadata(await readFile(join(directory, 'metadata.yaml'), 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
};

/** The names of the templates in a directory, sorted. */
export const templateNames = async (directory: string): Promise<string[]> => {
  try {
    return (await readdir(join(directory, 'templates'))).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};
