import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeControl,
  decodeHeader,
  encodeControl,
  encodeHeader,
  type MigrationHeader,
  transports,
} from './messages.ts';

/** Sent by LXD 5.0.2 for a container without snapshots in a `dir` pool, and its answer. */
const offer = Buffer.from('080038004208080110011801200168 01'.replace(' ', ''), 'hex');
const answer = Buffer.from('0800380042080801100118012001480068 01'.replace(' ', ''), 'hex');

const everything = { xattrs: true, delete: true, compress: true, bidirectional: true, exact: false };
const plain: MigrationHeader = {
  transport: 'rsync',
  idmap: [],
  snapshots: [],
  rsync: everything,
  refresh: false,
  indexVersion: 1,
  formats: [],
  bases: {},
};

test('the messages of LXD 5.0.2 are read, and ours are the same but for what is absent there', () => {
  expect(decodeHeader(offer, 'offer')).toEqual(plain);
  expect(decodeHeader(answer, 'answer')).toEqual(plain);
  expect(encodeHeader(plain, 'answer')).toEqual(answer);
  expect(decodeControl(Buffer.from('08011200', 'hex'))).toEqual({ success: true, message: '' });
  expect(encodeControl({ success: true, message: '' })).toEqual(Buffer.from('08011200', 'hex'));
});

test('a server that sends back what it was offered does not agree to what only this one knows', () => {
  const own = { ...plain, rsync: { ...everything, exact: true }, formats: ['btrfs'], bases: { s0: 'id' } };
  expect(decodeHeader(encodeHeader(own, 'offer'), 'offer')).toEqual(own);
  expect(decodeHeader(encodeHeader(own, 'offer'), 'answer')).toEqual(plain);
});

test('the offer of LXD 5.0.2 for a block volume with a snapshot is read', () => {
  const disk = '0804220273302a1e0a027330120c0a0473697a651204384d6942200030003800400048005000420808011001180120016801';
  const { transport, snapshots, diskSize } = decodeHeader(Buffer.from(disk, 'hex'), 'offer');
  expect(transport).toBe('block-and-rsync');
  expect(diskSize).toBeUndefined();
  expect(snapshots).toMatchObject([{ name: 's0', config: { size: '8MiB' } }]);
});

test('a failure in place of a header is told as such', () => {
  const failure = encodeControl({ success: false, message: 'no room' });
  expect(decodeControl(failure)).toEqual({ success: false, message: 'no room' });
  expect(() => decodeHeader(failure, 'answer')).toThrow('no room');
  expect(() => decodeHeader(encodeControl({ success: false, message: '' }), 'answer')).toThrow('ended the migration');
});

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const config = fc.dictionary(text, text, { maxKeys: 4 });
const time = fc.integer({ min: 1, max: 4_000_000_000 }).map((seconds) => new Date(seconds * 1000));
const header: fc.Arbitrary<MigrationHeader> = fc.record({
  transport: fc.constantFrom(...transports),
  idmap: fc.array(
    fc.record({
      kind: fc.constantFrom('uid' as const, 'gid' as const, 'both' as const),
      host: fc.nat(),
      container: fc.nat(),
      size: fc.nat(),
    }),
  ),
  snapshots: fc.array(
    fc.record({
      name: text,
      config,
      profiles: fc.array(text, { maxLength: 3 }),
      ephemeral: fc.boolean(),
      devices: fc.dictionary(text, config, { maxKeys: 3 }),
      architecture: fc.constantFrom('x86_64', 'aarch64', 'riscv64'),
      stateful: fc.boolean(),
      createdAt: time,
      expiresAt: fc.option(time, { nil: undefined }),
    }),
    { maxLength: 4 },
  ),
  rsync: fc.record({
    xattrs: fc.boolean(),
    delete: fc.boolean(),
    compress: fc.boolean(),
    bidirectional: fc.boolean(),
    exact: fc.boolean(),
  }),
  refresh: fc.boolean(),
  diskSize: fc.option(fc.nat(), { nil: undefined }),
  indexVersion: fc.nat(9),
  formats: fc.array(text, { maxLength: 2 }),
  bases: config,
});

test('what is written is read again', () => {
  const normal = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  fc.assert(
    fc.property(header, fc.constantFrom('offer' as const, 'answer' as const), (value, side) => {
      expect(normal(decodeHeader(encodeHeader(value, side), side))).toEqual(normal(value));
    }),
  );
});

test('bytes that are no message are refused with a reason, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      for (const decode of [(message: Buffer) => decodeHeader(message, 'offer'), decodeControl]) {
        try {
          decode(Buffer.from(bytes));
        } catch (error) {
          expect(String(error)).toMatch(/migration|other server|Architecture/);
        }
      }
    }),
    { numRuns: 1000 },
  );
  expect(() => decodeHeader(Buffer.from('ffffffffffffffffffffff', 'hex'), 'offer')).toThrow('too long');
  expect(() => decodeHeader(Buffer.from('2a7f01', 'hex'), 'offer')).toThrow('ends too early');
  expect(() => decodeHeader(Buffer.from('080938', 'hex'), 'offer')).toThrow('ends too early');
  expect(() => decodeHeader(Buffer.from('0809', 'hex'), 'offer')).toThrow('not known here');
});
