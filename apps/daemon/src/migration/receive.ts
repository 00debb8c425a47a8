import { PassThrough, type Readable } from 'node:stream';
import { badRequest, type MountedVolume, type Work } from '@lxd-ts/driver-kit';
import { receiveStream } from './channel.ts';
import type { Connection } from './connection.ts';
import { receiveDisk } from './disk.ts';
import { decodeHeader, encodeControl, encodeHeader, type MigrationHeader, type SentSnapshot } from './messages.ts';
import { receiveTree } from './rsync.ts';
import { agreed, indexVersion, inSession, nextControl, receiveIndex } from './session.ts';

/** What arrives, state by state: that of the first snapshot, and so on, then that of the volume. */
export interface Arrival {
  /** Makes a volume what the sender's next state is: its files, or its disk. */
  receive(volume: MountedVolume): Promise<void>;
  /** What the sender says of the volume, in JSON; known when a state has been received. Undefined: it says nothing. */
  index(): string | undefined;
  /** The format that was chosen; then `stream` is called instead of `receive`, in the same order. */
  readonly format: string | undefined;
  /** The snapshot here on which the first state in that format builds. */
  readonly base: string | undefined;
  /** Hands what the sender's storage driver wrote next to `read`, which takes all of it. */
  stream(read: (from: Readable) => Promise<void>): Promise<void>;
  readonly signal: AbortSignal;
}

/** How the receiving side takes what is offered. */
export interface Incoming<T> {
  /** A disk is wanted. Otherwise files. */
  readonly disk: boolean;
  /** What of it is wanted. @throws LxdError when it cannot be had */
  choose(header: MigrationHeader): Promise<{
    /** Those of the offered snapshots that are to be sent, in their order. */
    readonly snapshots: readonly SentSnapshot[];
    /** There is a copy, which is brought up to date. */
    readonly refresh: boolean;
    /** One of the formats that the sender offers. Absent: rsync. */
    readonly format?: string | undefined;
    /** In that format: the name of the snapshot, which is here, on which what is sent first is to build. */
    readonly base?: string | undefined;
  }>;
  /**
   * Takes all of it in; calls `receive` once for each snapshot chosen, and once more. Locks are given up by its end: the sender's
   * client may see the end of it all, and use what has come, before we do.
   */
  take(header: MigrationHeader, snapshots: readonly SentSnapshot[], arrival: Arrival): Promise<T>;
}

const everything = { xattrs: true, delete: true, compress: true, bidirectional: true, exact: true };

/**
 * The receiving side of a migration (docs/migration-protocol.md). The sender hears of success when all is taken in.
 *
 * @throws LxdError bad-request when the other side fails or is gone; the signal's reason
 */
export const receiveVolume = <T>(connection: Connection, incoming: Incoming<T>, work: Work): Promise<T> =>
  inSession(connection, work, async ({ signal, within, watch, count }) => {
    const { control, fs } = connection;
    const offer = decodeHeader(await within(nextControl(control)), 'offer');
    watch();
    const [transport, other] = incoming.disk
      ? (['block-and-rsync', 'rsync'] as const)
      : (['rsync', 'block-and-rsync'] as const);
    // The formats of drivers hold either.
    if (offer.transport === other)
      throw badRequest(`The other server sends ${incoming.disk ? 'files, not a disk' : 'a disk, not files'}`);
    const { snapshots, refresh, format, base } = await incoming.choose(offer);
    const features = agreed(everything, offer.rsync);
    const version = Math.min(offer.indexVersion, indexVersion);
    let begun: Promise<void> | undefined;
    let index: string | undefined;
    // Not before everything here is ready to receive.
    const begin = async (): Promise<void> => {
      const answer = {
        transport,
        idmap: [],
        snapshots,
        rsync: features,
        refresh,
        indexVersion: version,
        formats: format === undefined ? [] : [format],
        bases: base === undefined ? {} : { [base]: offer.bases[base] ?? '' },
      } as const;
      await control.send(encodeHeader(answer, 'answer'));
      if (version >= 1) index = await receiveIndex(fs, refresh);
    };
    const ready = (): Promise<void> => {
      begun ??= begin();
      return begun;
    };
    const taken = await incoming.take(offer, snapshots, {
      signal,
      index: () => index,
      format,
      base,
      async receive({ path, disk }) {
        await ready();
        if (disk === undefined) await receiveTree(path, fs, { features, signal, count });
        else await receiveDisk(disk, fs, { signal, count });
      },
      async stream(read) {
        await ready();
        const pipe = new PassThrough();
        const passed = receiveStream(fs, pipe, count);
        // What is cut off must not look whole.
        passed.catch((error: unknown) => pipe.destroy(error instanceof Error ? error : new Error(String(error))));
        try {
          await read(pipe);
        } finally {
          pipe.destroy();
        }
        await passed;
      },
    });
    await control.send(encodeControl({ success: true, message: '' }));
    await Promise.all([control.close(), fs.close()]);
    return taken;
  });
