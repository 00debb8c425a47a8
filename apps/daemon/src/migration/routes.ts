/** What the routes of instances answer when something comes from another server or goes to one. */
import type { InstancePost, InstancesPost } from '@lxd-ts/api';
import type { Reply } from '../http/reply.ts';
import type { Instance } from '../instances/instance.ts';
import { instanceResources } from '../instances/trees.ts';
import type { Operations } from '../operations/registry.ts';
import type { InstanceMigration, SendOptions } from './instances.ts';
import { migrationOperation } from './operation.ts';

export interface MigrationReplies {
  /** `POST` on the instances with a source of type `migration`. */
  receive(project: string, body: InstancesPost): Promise<Reply>;
  /** `POST` on an instance or snapshot with `migration: true`. */
  send(instance: Instance, body: Pick<InstancePost, 'target'>, options: SendOptions): Promise<Reply>;
}

interface Parts {
  readonly operations: Operations;
  readonly migration: InstanceMigration;
}

export const createMigrationReplies = ({ operations, migration }: Parts): MigrationReplies => ({
  async receive(project, body) {
    const prepared = await migration.prepareReceiving(project, body);
    const resources = instanceResources({ name: prepared.name, project, type: 'container' });
    const peer = body.source.mode === 'push' ? undefined : { at: body.source, field: 'source' };
    return migrationOperation(
      operations,
      { description: 'Creating instance', project, resources },
      peer,
      prepared.receive,
    );
  },

  async send(instance, { target }, options) {
    const send = await migration.prepareSending(instance, options);
    const about = {
      description: options.snapshot === undefined ? 'Migrating instance' : 'Transferring snapshot',
      project: instance.project,
      resources: instanceResources(instance),
    };
    return migrationOperation(operations, about, target ? { at: target, field: 'target' } : undefined, send);
  },
});
