/** What the routes of volumes, their snapshots and their backups share. */
import { badRequest, type VolumeType, type Work } from '@lxd-ts/driver-kit';
import { accepted, type Reply } from '../http/reply.ts';
import { type ApiRequest, param } from '../http/request.ts';
import type { Connection, Peer } from '../migration/connection.ts';
import { migrationOperation } from '../migration/operation.ts';
import type { Operations } from '../operations/registry.ts';
import { workOf } from '../operations/work.ts';
import { type VolumeName, volumeUrl } from './volume-name.ts';
import type { StoredVolume, VolumeStore } from './volume-store.ts';

/** The path of the volumes of a pool, and of one of them. */
export const volumesPath = '/1.0/storage-pools/:pool/volumes';
export const volumePath = `${volumesPath}/:type/:name`;

const types = ['container', 'virtual-machine', 'image', 'custom'] as const satisfies readonly VolumeType[];

/** @throws LxdError bad-request for a word that is no type */
export const volumeType = (word: string): VolumeType => {
  const type = types.find((known) => known === word);
  if (!type) throw badRequest(`Invalid storage volume type "${word}": use one of ${types.join(', ')}`);
  return type;
};

/** A time of a request: null stands for none given, the zero time for never. */
export const timeOf = (time: string | null): Date | null | undefined => {
  if (time === null) return undefined;
  const date = new Date(time);
  return date.getTime() <= 0 ? null : date;
};

interface Parts {
  readonly store: VolumeStore;
  readonly operations: Operations;
  /** The project whose custom volumes are seen from a project. */
  readonly projectOf: (project: string) => Promise<string>;
}

export const createVolumeRequests = ({ store, operations, projectOf }: Parts) => {
  const nameOf = async (request: ApiRequest): Promise<VolumeName> => ({
    pool: param(request, 'pool'),
    project: await projectOf(request.project),
    name: param(request, 'name'),
  });

  return {
    projectOf,

    /** Only custom volumes are changed here; those of instances belong to their instances. @throws LxdError bad-request */
    customOnly: async (request: ApiRequest, what: string): Promise<VolumeName> => {
      const type = volumeType(param(request, 'type'));
      if (type !== 'custom')
        throw badRequest(`Storage volumes of type "${type}" cannot be ${what} with the storage API`);
      return nameOf(request);
    },

    /** The volume, of any type, that the path names. @throws LxdError not-found */
    find: async (request: ApiRequest): Promise<StoredVolume> => {
      const type = volumeType(param(request, 'type'));
      const { pool, project, name } = await nameOf(request);
      const owner = {
        image: 'default',
        custom: project,
        container: request.project,
        'virtual-machine': request.project,
      };
      return store.get(pool, owner[type], type, name);
    },

    /** Answers with an operation that takes part in a migration. @param peer - where the other server waits; undefined: it comes */
    migrate: (
      request: ApiRequest,
      description: string,
      volume: VolumeName,
      peer: { readonly at: Peer; readonly field: string } | undefined,
      play: (connection: Connection, work: Work) => Promise<unknown>,
    ): Reply => {
      const resources = { storage_volumes: [volumeUrl(volume)] };
      return migrationOperation(operations, { description, project: request.project, resources }, peer, play);
    },

    /** Answers with an operation that does something about a volume. */
    task: (
      request: ApiRequest,
      description: string,
      volume: VolumeName,
      run: (work: Work) => Promise<unknown>,
      resources: Readonly<Record<string, readonly string[]>> = {},
    ): Reply =>
      accepted(
        operations.create({
          class: 'task',
          description,
          project: request.project,
          resources: { storage_volumes: [volumeUrl(volume)], ...resources },
          run: async (operation) => {
            await run(workOf(operation));
            return undefined;
          },
        }),
      ),
  };
};

export type VolumeRequests = ReturnType<typeof createVolumeRequests>;
