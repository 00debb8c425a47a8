import { initLocalPreseed, parseBody } from '@lxd-ts/api';
import { type Client, isNotFound } from '@lxd-ts/client';
import { badRequest, messageOf, UndoStack } from '@lxd-ts/driver-kit';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';

/** What a preseed sets: server configuration, pools, networks, profiles, projects. */
export type Preseed = z.infer<typeof initLocalPreseed>;

/** Reads a preseed. JSON is YAML too. @throws InvalidInputError, LxdError bad-request */
export const readPreseed = (text: string): Preseed => {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (error) {
    throw badRequest(`The preseed is not valid YAML: ${messageOf(error)}`, { cause: error });
  }
  if (typeof value === 'object' && value !== null && 'cluster' in value && value.cluster) {
    throw badRequest('Section "cluster" of the preseed: clustering is not available in this version');
  }
  return parseBody(initLocalPreseed, value ?? {});
};

interface Entity {
  readonly kind: string;
  readonly segments: readonly string[];
  readonly collection: readonly string[];
  /** Body that creates it. */
  readonly create: object;
  /** Body that overwrites it. */
  readonly replace: object;
  /** What may not differ from an existing one. */
  readonly fixed?: { readonly field: string; readonly value: string };
  readonly project?: string;
}

const entitiesOf = (preseed: Preseed): Entity[] => [
  ...preseed.storage_pools.map(
    ({ name, driver, description, config }): Entity => ({
      kind: 'storage pool',
      collection: ['storage-pools'],
      segments: ['storage-pools', name],
      create: { name, driver, description, config },
      replace: { description, config },
      fixed: { field: 'driver', value: driver },
    }),
  ),
  ...preseed.networks.map(
    ({ name, type, description, config, Project }): Entity => ({
      kind: 'network',
      collection: ['networks'],
      segments: ['networks', name],
      create: { name, type, description, config },
      replace: { description, config },
      ...(type === '' ? {} : { fixed: { field: 'type', value: type } }),
      ...(Project === '' ? {} : { project: Project }),
    }),
  ),
  ...preseed.projects.map(
    ({ name, description, config }): Entity => ({
      kind: 'project',
      collection: ['projects'],
      segments: ['projects', name],
      create: { name, description, config },
      replace: { description, config },
    }),
  ),
  ...preseed.profiles.map(
    ({ name, description, config, devices }): Entity => ({
      kind: 'profile',
      collection: ['profiles'],
      segments: ['profiles', name],
      create: { name, description, config, devices },
      replace: { description, config, devices },
    }),
  ),
];

type Existing = Readonly<Record<string, unknown>>;

const find = async (client: Client, segments: readonly string[]): Promise<Existing | undefined> => {
  try {
    return (await client.get<Existing>(segments)).value;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
};

/** The configuration of an existing entity with the keys the server keeps, which a preseed need not name. */
const keepServerKeys = (replace: object, existing: Existing): object => {
  const before = existing['config'];
  if (!('config' in replace) || typeof before !== 'object' || before === null || typeof replace.config !== 'object')
    return replace;
  const kept = Object.entries(before).filter(([key]) => key.startsWith('volatile.') || key === 'source');
  return { ...replace, config: { ...Object.fromEntries(kept), ...replace.config } };
};

/** A preseed that gives no description leaves the one there is, as LXD does. */
const keepDescription = (replace: object, existing: Existing): object =>
  'description' in replace && replace.description === ''
    ? { ...replace, description: existing['description'] ?? '' }
    : replace;

const apply = async (server: Client, entity: Entity, undo: UndoStack): Promise<void> => {
  const client = entity.project === undefined ? server : server.inProject(entity.project);
  const existing = await find(client, entity.segments);
  const name = entity.segments.at(-1);
  if (!existing) {
    await client.send('POST', entity.collection, entity.create);
    undo.add(`delete ${entity.kind} ${name}`, () => client.send('DELETE', entity.segments));
    return;
  }
  const { fixed } = entity;
  if (fixed && existing[fixed.field] !== fixed.value) {
    throw badRequest(
      `The ${entity.kind} "${name}" exists with ${fixed.field} "${existing[fixed.field]}": it cannot become "${fixed.value}"`,
    );
  }
  undo.add(`restore ${entity.kind} ${name}`, () => client.send('PUT', entity.segments, existing));
  const replace = keepServerKeys(entity.replace, existing);
  await client.send('PUT', entity.segments, keepDescription(replace, existing));
};

/**
 * Brings the server to what the preseed says (spec 01.53–66): what exists is overwritten, what does not is created. On
 * failure all that was applied is undone, as far as it can be.
 */
export const applyPreseed = async (client: Client, preseed: Preseed): Promise<void> => {
  await using undo = new UndoStack((what, error) =>
    process.stderr.write(`Error: could not ${what}: ${messageOf(error)}\n`),
  );
  if (Object.keys(preseed.config).length > 0) {
    const { value } = await client.get<{ config: Record<string, unknown> }>([]);
    undo.add('restore the server configuration', () => client.send('PUT', [], { config: value.config }));
    await client.send('PATCH', [], { config: preseed.config });
  }
  for (const entity of entitiesOf(preseed)) {
    try {
      await apply(client, entity, undo);
    } catch (error) {
      throw badRequest(`Failed to apply ${entity.kind} "${entity.segments.at(-1)}": ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
  undo.commit();
};
