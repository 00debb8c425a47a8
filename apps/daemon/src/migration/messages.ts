/** The messages of the control channel, as LXD 5.0.2 sends them (docs/migration-protocol.md). */
import { architectureNamed, architectureNumbered } from '@lxd-ts/api';
import { badRequest, type Config } from '@lxd-ts/driver-kit';
import type { IdMap } from '@lxd-ts/host';
import type { Devices } from '../instances/instance.ts';
import { bytesField, bytesOf, decodeFields, type Field, isSet, numberField, numberOf, textsOf } from './protobuf.ts';

/** What a snapshot was when it was taken. */
export interface SentSnapshot {
  readonly name: string;
  readonly config: Config;
  readonly profiles: readonly string[];
  readonly ephemeral: boolean;
  readonly devices: Devices;
  /** Empty: that of a volume, which has none. */
  readonly architecture: string;
  readonly stateful: boolean;
  /** To the second. */
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
}

/** What both rsyncs are told; the receiver answers with those it agrees to. */
export interface RsyncFeatures {
  readonly xattrs: boolean;
  readonly delete: boolean;
  readonly compress: boolean;
  /** The receiver's end of each stream is sent, too. */
  readonly bidirectional: boolean;
  /** Hard links and ACLs, which LXD's rsync leaves out: between servers of this kind only. */
  readonly exact: boolean;
}

/** Who says it: the sender offers, the receiver answers. */
export type Side = 'offer' | 'answer';

/**
 * The numbers of `exact`, far from LXD's own. An answer has one of its own, so that a server that sends back what it was offered is
 * not taken to know it.
 */
const exactField = { offer: 1000, answer: 1001 } as const;
/** As above, of `formats`. */
const formatsField = { offer: 1002, answer: 1003 } as const;
/** As above, of `bases`. */
const basesField = { offer: 1004, answer: 1005 } as const;

/** How the data goes: files by rsync, disks as they are; the others are formats of one storage driver each, not spoken here. */
export const transports = ['rsync', 'btrfs', 'zfs', 'rbd', 'block-and-rsync'] as const;

/** The first message of each side. */
export interface MigrationHeader {
  readonly transport: (typeof transports)[number];
  /** Ids of the files as they are sent. Empty: those seen inside. */
  readonly idmap: IdMap;
  /** Oldest first. */
  readonly snapshots: readonly SentSnapshot[];
  readonly rsync: RsyncFeatures;
  /** Of the receiver: it has a copy that is brought up to date. */
  readonly refresh: boolean;
  /** Of the sender: the bytes of the disk that it sends. Absent: it sends files, or does not say. */
  readonly diskSize?: number | undefined;
  /** 1: descriptions go over the data channel before the data; 0: they do not. */
  readonly indexVersion: number;
  /**
   * Storage drivers in whose own format (`StoragePool.send`) the data can go instead of by rsync, offered by the sender; the receiver
   * answers with the one it takes, or none. Between servers of this kind only.
   */
  readonly formats: readonly string[];
  /**
   * Ids (`StoragePool.snapshotIds`) of the sender's snapshots, by their names; the receiver answers with the one on which it wants
   * the first state to build, as a difference to what it has already, or none. Between servers of this kind only.
   */
  readonly bases: Config;
}

/** How it ended: the receiver's last word, or that of the side that failed. */
export interface MigrationControl {
  readonly success: boolean;
  readonly message: string;
}

const field = {
  transport: 1,
  criu: 2,
  idmap: 3,
  snapshotNames: 4,
  snapshots: 5,
  predump: 7,
  rsync: 8,
  refresh: 9,
  diskSize: 11,
  indexVersion: 13,
} as const;

const pairsField = (number: number, config: Config): Buffer[] =>
  Object.entries(config).map(([key, value]) =>
    bytesField(number, Buffer.concat([bytesField(1, key), bytesField(2, value)])),
  );

const pairsOf = (fields: readonly Field[], number: number): Config =>
  Object.fromEntries(
    bytesOf(fields, number).map((bytes) => {
      const pair = decodeFields(bytes);
      return [textsOf(pair, 1)[0] ?? '', textsOf(pair, 2)[0] ?? ''];
    }),
  );

/** Go's zero time in seconds since 1970: no time. */
const noTime = -62135596800n;
const secondsOf = (time: Date | undefined): bigint => (time ? BigInt(Math.floor(time.getTime() / 1000)) : noTime);
const timeOf = (seconds: bigint | undefined): Date | undefined => {
  const signed = BigInt.asIntN(64, seconds ?? noTime);
  return signed > 0n && signed < 8_640_000_000_000n ? new Date(Number(signed) * 1000) : undefined;
};

const encodeSnapshot = (snapshot: SentSnapshot): Buffer =>
  Buffer.concat([
    bytesField(1, snapshot.name),
    ...pairsField(2, snapshot.config),
    ...snapshot.profiles.map((name) => bytesField(3, name)),
    numberField(4, snapshot.ephemeral),
    ...Object.entries(snapshot.devices).map(([name, config]) =>
      bytesField(5, Buffer.concat([bytesField(1, name), ...pairsField(2, config)])),
    ),
    numberField(6, snapshot.architecture === '' ? 0 : architectureNamed(snapshot.architecture).id),
    numberField(7, snapshot.stateful),
    numberField(8, secondsOf(snapshot.createdAt)),
    numberField(9, noTime),
    numberField(10, secondsOf(snapshot.expiresAt)),
  ]);

const decodeSnapshot = (bytes: Buffer): SentSnapshot => {
  const fields = decodeFields(bytes);
  const architecture = Number(numberOf(fields, 6) ?? 0n);
  return {
    name: textsOf(fields, 1)[0] ?? '',
    config: pairsOf(fields, 2),
    profiles: textsOf(fields, 3),
    ephemeral: isSet(fields, 4),
    devices: Object.fromEntries(
      bytesOf(fields, 5).map((device) => {
        const parts = decodeFields(device);
        return [textsOf(parts, 1)[0] ?? '', pairsOf(parts, 2)];
      }),
    ),
    architecture: architecture === 0 ? '' : architectureNumbered(architecture).name,
    stateful: isSet(fields, 7),
    createdAt: timeOf(numberOf(fields, 8)) ?? new Date(),
    expiresAt: timeOf(numberOf(fields, 10)),
  };
};

const encodeIdMap = (idmap: IdMap): Buffer[] =>
  idmap.map((entry) =>
    bytesField(
      field.idmap,
      Buffer.concat([
        numberField(1, entry.kind !== 'gid'),
        numberField(2, entry.kind !== 'uid'),
        numberField(3, entry.host),
        numberField(4, entry.container),
        numberField(5, entry.size),
      ]),
    ),
  );

const decodeIdMap = (fields: readonly Field[]): IdMap =>
  bytesOf(fields, field.idmap).map((bytes) => {
    const entry = decodeFields(bytes);
    const number = (of: number): number => Number(BigInt.asIntN(32, numberOf(entry, of) ?? 0n));
    const [users, groups] = [isSet(entry, 1), isSet(entry, 2)];
    return {
      kind: users && groups ? 'both' : users ? 'uid' : 'gid',
      host: number(3),
      container: number(4),
      size: number(5),
    };
  });

export const encodeHeader = (header: MigrationHeader, side: Side): Buffer =>
  Buffer.concat([
    numberField(field.transport, transports.indexOf(header.transport)),
    ...encodeIdMap(header.idmap),
    ...header.snapshots.map(({ name }) => bytesField(field.snapshotNames, name)),
    ...header.snapshots.map((snapshot) => bytesField(field.snapshots, encodeSnapshot(snapshot))),
    numberField(field.predump, false),
    bytesField(
      field.rsync,
      Buffer.concat([
        numberField(1, header.rsync.xattrs),
        numberField(2, header.rsync.delete),
        numberField(3, header.rsync.compress),
        numberField(4, header.rsync.bidirectional),
        ...(header.rsync.exact ? [numberField(exactField[side], true)] : []),
      ]),
    ),
    numberField(field.refresh, header.refresh),
    ...(header.diskSize === undefined ? [] : [numberField(field.diskSize, header.diskSize)]),
    numberField(field.indexVersion, header.indexVersion),
    ...header.formats.map((name) => bytesField(formatsField[side], name)),
    ...pairsField(basesField[side], header.bases),
  ]);

export const encodeControl = ({ success, message }: MigrationControl): Buffer =>
  Buffer.concat([numberField(1, success), bytesField(2, message)]);

/** @throws LxdError bad-request when the message is none of a migration */
export const decodeControl = (message: Buffer): MigrationControl => {
  const fields = decodeFields(message);
  return { success: isSet(fields, 1), message: textsOf(fields, 2)[0] ?? '' };
};

/**
 * @throws LxdError bad-request when the message is no header: when the other side failed at once, with what it said
 */
export const decodeHeader = (message: Buffer, side: Side): MigrationHeader => {
  const fields = decodeFields(message);
  // Where a header has a number (of the kind of memory dump), the message of a failure has its text.
  if (bytesOf(fields, field.criu).length > 0) {
    throw badRequest(decodeControl(message).message || 'The other server ended the migration');
  }
  const transport = transports[Number(numberOf(fields, field.transport) ?? -1n)];
  if (transport === undefined) throw badRequest('The other server asks for a way of migration that is not known here');
  const diskSize = numberOf(fields, field.diskSize);
  const rsync = decodeFields(bytesOf(fields, field.rsync)[0] ?? Buffer.alloc(0));
  return {
    transport,
    idmap: decodeIdMap(fields),
    snapshots: bytesOf(fields, field.snapshots).map(decodeSnapshot),
    rsync: {
      xattrs: isSet(rsync, 1),
      delete: isSet(rsync, 2),
      compress: isSet(rsync, 3),
      bidirectional: isSet(rsync, 4),
      exact: isSet(rsync, exactField[side]),
    },
    refresh: isSet(fields, field.refresh),
    ...(diskSize === undefined ? {} : { diskSize: Number(diskSize) }),
    indexVersion: Number(numberOf(fields, field.indexVersion) ?? 0n),
    formats: textsOf(fields, formatsField[side]),
    bases: pairsOf(fields, basesField[side]),
  };
};
