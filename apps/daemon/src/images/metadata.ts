import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { isErrno, openRoot, type Root } from '@lxd-ts/host';
import { parse as parseYaml, stringify as stringifyYaml } from 'yaml';
import { z } from 'zod';

/** More than this is no metadata.yaml. */
const maxBytes = 1024 * 1024;

// YAML is read with every scalar as text, so that `release: 1.10` stays as it is written.
const absent = (value: unknown): unknown => (value === '' || value === 'null' || value === '~' ? undefined : value);
const seconds = z
  .string({ error: 'is missing' })
  .regex(/^-?\d+$/, 'must be whole seconds since 1970')
  .transform(Number);
const texts = z.preprocess(absent, z.record(z.string(), z.string()).default({}));

const template = z.object({
  when: z.preprocess(absent, z.array(z.string()).default([])),
  create_only: z.preprocess(
    absent,
    z
      .string()
      .default('false')
      .transform((value) => /^(true|yes|on|y)$/i.test(value)),
  ),
  template: z.string({ error: 'is missing' }),
  properties: texts,
});

const schema = z.object({
  architecture: z.string({ error: 'is missing' }),
  creation_date: seconds,
  expiry_date: z.preprocess((value) => absent(value) ?? '0', seconds),
  properties: texts,
  templates: z.preprocess(absent, z.record(z.string(), template).default({})),
});

/** `metadata.yaml` of an image or instance (spec 04.126–133). Dates are seconds since 1970. */
export type Metadata = z.infer<typeof schema>;
export type TemplateRule = z.infer<typeof template>;

/** Parses `metadata.yaml`. @throws LxdError bad-request saying what is wrong with it */
export const parseMetadata = (yaml: string): Metadata => {
  let value: unknown;
  try {
    value = parseYaml(yaml, { schema: 'failsafe' });
  } catch (error) {
    throw badRequest(`metadata.yaml is not valid YAML: ${messageOf(error)}`, { cause: error });
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
    throw badRequest(`metadata.yaml is not that of an image: ${problems.join('; ')}`);
  }
  return result.data;
};

/** Checks that metadata is complete enough for an image (spec 04.130). @throws LxdError bad-request */
export const requireImageMetadata = (metadata: Metadata): Metadata => {
  if (metadata.architecture === '') throw badRequest('metadata.yaml is not that of an image: architecture is missing');
  if (metadata.creation_date === 0) throw badRequest('metadata.yaml is not that of an image: creation_date is missing');
  return metadata;
};

/** The text of `metadata.yaml`. */
export const formatMetadata = (metadata: Metadata): string => stringifyYaml(metadata, { lineWidth: 0 });

/**
 * Opens the directory of an unpacked image or an instance. What is in it came from outside: no symlink is followed.
 */
export const openImageRoot = (directory: string): Root => openRoot(directory, { followSymlinks: false });

/** Reads `metadata.yaml` in a directory; undefined when there is none. */
export const readMetadata = async (root: Root): Promise<Metadata | undefined> => {
  try {
    await using file = await root.open('metadata.yaml');
    const { size } = await file.stat();
    if (size > maxBytes) throw badRequest(`metadata.yaml has ${size} bytes: no more than ${maxBytes} are read`);
    return parseMetadata(await file.readFile('utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
};

/** Replaces `metadata.yaml`. */
export const writeMetadata = async (root: Root, metadata: Metadata): Promise<void> => {
  {
    await using file = await root.create('metadata.yaml.new', { mode: 0o644 });
    await file.writeFile(formatMetadata(metadata));
  }
  root.rename('metadata.yaml.new', 'metadata.yaml');
};

/** The names of the templates in a directory, sorted. */
export const templateNames = (root: Root): string[] => {
  try {
    return root.list('templates');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};
