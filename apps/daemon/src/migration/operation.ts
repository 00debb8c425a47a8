import type { Work } from '@lxd-ts/driver-kit';
import { accepted, type Reply } from '../http/reply.ts';
import { OperationSockets } from '../operations/operation.ts';
import type { Operations } from '../operations/registry.ts';
import { workOf } from '../operations/work.ts';
import { awaitPeer, type Connection, channelNames, checkPeer, type Peer, reachPeer } from './connection.ts';

/** What an operation of a migration says of itself. */
export interface MigrationAbout {
  readonly description: string;
  readonly project: string;
  readonly resources: Record<string, string[]>;
}

/**
 * Answers with an operation that takes part in a migration: one that the other side connects to, or that connects to the other side.
 *
 * @param peer - where the other side waits; undefined: it comes
 * @throws LxdError bad-request when it is not told how to reach the other side
 */
export const migrationOperation = (
  operations: Operations,
  about: MigrationAbout,
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
