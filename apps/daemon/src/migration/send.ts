import { PassThrough, type Writable } from 'node:stream';
import type { Config } from '@lxd-ts/driver-kit';
import { badRequest, isFalse, type MountedVolume, type Work } from '@lxd-ts/driver-kit';
import { sendStream } from './channel.ts';
import type { Connection } from './connection.ts';
import { sendDisk } from './disk.ts';
import { decodeHeader, encodeHeader, type MigrationHeader } from './messages.ts';
import { sendTree } from './rsync.ts';
import { agreed, indexVersion, inSession, nextControl, sendIndex } from './session.ts';

/** A volume that goes to another server, with its snapshots. */
export interface Outgoing {
  readonly header: Pick<MigrationHeader, 'idmap' | 'snapshots'>;
  /** The bytes of the disk that is sent. Undefined: files are. */
  readonly diskSize: number | undefined;
  /** What LXD calls the configuration of the volume, in JSON. */
  readonly index: unknown;
  /** Of the pool: `rsync.bwlimit`, `rsync.compression`. */
  readonly poolConfig: Config;
  /** Files that vanish meanwhile are no error. */
  readonly allowInconsistent: boolean;
  /** Makes a snapshot, or the volume as it is, accessible. */
  mount(snapshot: string | undefined): Promise<MountedVolume>;
  /** Runs the sending of the volume as it is, holding it still. */
  whileStill(send: () => Promise<void>): Promise<void>;
  /** Called when all is sent. The receiver's client may see the end of it all, and use what was sent, before we do. */
  sent(): void;
  /** Present where the storage driver has a format of its own, which is of one moment by itself. */
  readonly own?: {
    /** The driver's name. */
    readonly format: string;
    /** Of its snapshots, by their names: see `MigrationHeader.bases`. */
    readonly bases: Config;
    /** Writes a snapshot, or the volume as it is, as a difference to the snapshot `base` if given. Ends the stream. */
    send(snapshot: string | undefined, base: string | undefined, to: Writable, work: Work): Promise<void>;
  };
}

/**
 * The sending side of a migration (docs/migration-protocol.md): header, description, snapshots from the oldest on, the
 * volume; then the receiver says whether it has all.
 *
 * @throws LxdError bad-request when the other side fails or is gone; the signal's reason
 */
export const sendVolume = (connection: Connection, outgoing: Outgoing, work: Work): Promise<void> =>
  inSession(connection, work, async ({ signal, within, watch, success, count }) => {
    const { control, fs } = connection;
    const { header, diskSize, poolConfig, allowInconsistent } = outgoing;
    const transport = diskSize === undefined ? 'rsync' : 'block-and-rsync';
    const offered = {
      xattrs: true,
      delete: true,
      compress: !isFalse(poolConfig['rsync.compression']),
      bidirectional: true,
      exact: true,
    };
    const formats = outgoing.own ? [outgoing.own.format] : [];
    const offer = { ...header, transport, diskSize, rsync: offered, refresh: false, indexVersion, formats } as const;
    await control.send(encodeHeader({ ...offer, bases: outgoing.own?.bases ?? {} }, 'offer'));
    const answer = decodeHeader(await within(nextControl(control)), 'answer');
    if (answer.transport !== transport)
      throw badRequest(`The other server asks for the transport ${answer.transport}, which was not offered`);
    watch();
    if (answer.indexVersion >= 1) await sendIndex(fs, outgoing.index);
    const send = async (snapshot: string | undefined): Promise<void> => {
      await using mounted = await outgoing.mount(snapshot);
      if (mounted.disk !== undefined) {
        await sendDisk(mounted.disk, fs, { signal, count });
        return;
      }
      const bandwidthLimit = poolConfig['rsync.bwlimit'];
      await sendTree(mounted.path, fs, {
        features: agreed(offered, answer.rsync),
        signal,
        bandwidthLimit,
        allowInconsistent,
        count,
      });
    };
    // A receiver that has a copy already asks for those it lacks.
    const wanted = new Set(answer.snapshots.map(({ name }) => name));
    const chosen = header.snapshots.map(({ name }) => name).filter((name) => wanted.has(name));
    const { own } = outgoing;
    if (own && answer.formats.includes(own.format)) {
      let [base] = Object.keys(answer.bases);
      if (base !== undefined && !(base in own.bases))
        throw badRequest(`The other server asks for differences to the snapshot "${base}", which was not offered`);
      for (const name of [...chosen, undefined]) {
        const pipe = new PassThrough();
        await Promise.all([own.send(name, base, pipe, { signal }), sendStream(pipe, fs, count)]);
        await fs.end();
        base = name;
      }
    } else {
      for (const name of chosen) await send(name);
      await outgoing.whileStill(() => send(undefined));
    }
    outgoing.sent();
    await success();
  });
