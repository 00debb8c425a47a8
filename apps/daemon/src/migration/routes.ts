/** What the routes of instances answer when something comes from another server or goes to one. */
import type { InstancePost, InstancesPost } from '@lxd-ts/api';
import type { Work } from '@lxd-ts/driver-kit';
import { accepted, type Reply } from '../http/reply.ts';
import type { Instance } from '../instances/instance.ts';
import { instanceResources } from '../instances/trees.ts';
import { OperationSockets } from '../operations/operation.ts';
import type { Operations } from '../operations/registry.ts';
import { workOf } from '../operations/work.ts';
import { awaitPeer, type Connection, channelNames, checkPeer, type Peer, reachPeer } from './connection.ts';
import type { InstanceMigration, SendOptions } from './instances.ts';

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

export const createMigrationReplies = ({ operations, migration }: Parts): MigrationReplies => {
  /**
   * An operation that takes part in a migration: one that the other side connects to, or that connects to the other side.
   *
   * @param peer - where the other side waits; undefined: it comes
   */
  const operation = (
    about: { description: string; project: string; resources: Record<string, string[]> },
    peer: { readonly at: Peer; readonly field: string } | undefined,
    run: (connection: Connection, work: Work) => Promise<unknown>,
  ): Reply => {
    if (peer) {
      checkPeer(peer.at, peer.field);
      return accepted(
        operations.create({
          ...about,
          class: 'task',
          mayCancel: true,
          run: async (self) => {
            await run(await reachPeer(peer.at, peer.field, self.signal), workOf(self));
            return undefined;
          },
        }),
      );
    }
    const sockets = new OperationSockets(channelNames);
    return accepted(
      operations.create({
        ...about,
        class: 'websocket',
        mayCancel: true,
        metadata: sockets.secrets,
        sockets,
        run: async (self) => {
          await run(await awaitPeer(sockets, self.signal), workOf(self));
          return undefined;
        },
      }),
    );
  };

  return {
    async receive(project, body) {
      const prepared = await migration.prepareReceiving(project, body);
      const resources = instanceResources({ name: prepared.name, project, type: 'container' });
      const peer = body.source.mode === 'push' ? undefined : { at: body.source, field: 'source' };
      return operation({ description: 'Creating instance', project, resources }, peer, prepared.receive);
    },

    async send(instance, { target }, options) {
      const send = await migration.prepareSending(instance, options);
      const about = {
        description: options.snapshot === undefined ? 'Migrating instance' : 'Transferring snapshot',
        project: instance.project,
        resources: instanceResources(instance),
      };
      return operation(about, target ? { at: target, field: 'target' } : undefined, send);
    },
  };
};
