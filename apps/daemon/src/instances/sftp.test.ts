import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openFiles } from './files.ts';
import { serveSftp } from './sftp.ts';
import { PacketReader, packet, packetsOf, packetType, text, uint32, uint64 } from './sftp-packets.ts';

let base: string;
let client: Duplex;
let served: Promise<void>;
let answers: AsyncGenerator<{ type: number; body: Buffer }>;
let lastId: number;

const start = (): void => {
  const [here, there] = duplexPair();
  const files = openFiles(join(base, 'root'), undefined, async () => undefined);
  client = here;
  served = serveSftp(there, files).finally(async () => {
    there.destroy();
    await files[Symbol.asyncDispose]();
  });
  // Tests of broken streams look at it later.
  served.catch(() => undefined);
  answers = packetsOf(client);
  lastId = 0;
};

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'sftp-'));
  mkdirSync(join(base, 'root/dir'), { recursive: true });
  writeFileSync(join(base, 'secret'), 'outside');
  start();
});
afterEach(async () => {
  client.end();
  await Promise.allSettled([served]);
  rmSync(base, { recursive: true });
});

const next = async (): Promise<{ type: number; fields: PacketReader }> => {
  const { value } = await answers.next();
  if (!value) throw new Error('The server ended the stream');
  return { type: value.type, fields: new PacketReader(value.body) };
};

/** Sends a request and hands back the answer's type and its fields behind the id. */
const ask = async (type: number, ...fields: Buffer[]) => {
  const id = ++lastId;
  client.write(packet(type, uint32(id), ...fields));
  const answer = await next();
  expect(answer.fields.uint32()).toBe(id);
  return answer;
};
const statusOf = async (type: number, ...fields: Buffer[]): Promise<number> => {
  const answer = await ask(type, ...fields);
  expect(answer.type).toBe(packetType.status);
  return answer.fields.uint32();
};
const none = uint32(0);
const open = async (path: string, flags: number): Promise<Buffer> => {
  const { type, fields } = await ask(packetType.open, text(path), uint32(flags), none);
  expect(type).toBe(packetType.handle);
  return text(fields.bytes());
};
const rights = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 };

test('[09.FIL-05] speaks version 3 and tells its extensions', async () => {
  client.write(packet(packetType.init, uint32(3)));
  const { type, fields } = await next();
  expect(type).toBe(packetType.version);
  expect(fields.uint32()).toBe(3);
  expect(fields.text()).toBe('hardlink@openssh.com');
});

test('[09.FIL-05] writes, reads, lists, renames and removes', async () => {
  const handle = await open('/dir/new', rights.write | rights.create | rights.truncate);
  expect(await statusOf(packetType.write, handle, uint64(3), text('defg'))).toBe(0);
  expect(await statusOf(packetType.write, handle, uint64(0), text('abc'))).toBe(0);
  expect(await statusOf(packetType.close, handle)).toBe(0);
  expect(readFileSync(join(base, 'root/dir/new'), 'utf8')).toBe('abcdefg');

  const reading = await open('dir/new', rights.read);
  const data = await ask(packetType.read, reading, uint64(2), uint32(3));
  expect(data.fields.text()).toBe('cde');
  expect(await statusOf(packetType.read, reading, uint64(7), uint32(3))).toBe(1);
  expect(await statusOf(packetType.write, reading, uint64(0), text('x'))).toBe(4);

  const directory = text((await ask(packetType.opendir, text('/dir'))).fields.bytes());
  const listing = await ask(packetType.readdir, directory);
  expect(listing.fields.uint32()).toBe(3);
  expect(await statusOf(packetType.readdir, directory)).toBe(1);

  writeFileSync(join(base, 'root/other'), 'kept');
  expect(await statusOf(packetType.rename, text('/dir/new'), text('/other'))).toBe(4);
  expect(readFileSync(join(base, 'root/other'), 'utf8')).toBe('kept');
  expect(await statusOf(packetType.extended, text('posix-rename@openssh.com'), text('/dir/new'), text('/other'))).toBe(
    0,
  );
  expect(readFileSync(join(base, 'root/other'), 'utf8')).toBe('abcdefg');
  expect(await statusOf(packetType.extended, text('hardlink@openssh.com'), text('/other'), text('/second'))).toBe(0);
  expect(statSync(join(base, 'root/other')).nlink).toBe(2);
  expect(await statusOf(packetType.remove, text('/second'))).toBe(0);
  expect(await statusOf(packetType.remove, text('/second'))).toBe(2);
  expect(await statusOf(packetType.rmdir, text('/dir'))).toBe(0);
});

test('an exclusive open refuses what is there, an appending one writes at the end, attributes are set', async () => {
  writeFileSync(join(base, 'root/log'), 'one');
  const flags = uint32(rights.write | rights.create | rights.exclusive);
  expect(await statusOf(packetType.open, text('/log'), flags, none)).toBe(4);
  const handle = await open('/log', rights.append | rights.write);
  expect(await statusOf(packetType.write, handle, uint64(0), text('two'))).toBe(0);
  expect(readFileSync(join(base, 'root/log'), 'utf8')).toBe('onetwo');
  const changed = Buffer.concat([
    uint32(1 | 2 | 4 | 8),
    uint64(4),
    uint32(7),
    uint32(8),
    uint32(0o640),
    uint32(5),
    uint32(6),
  ]);
  expect(await statusOf(packetType.setstat, text('/log'), changed)).toBe(0);
  const { size, uid, gid, mode, mtimeMs } = statSync(join(base, 'root/log'));
  expect({ size, uid, gid, mode: mode & 0o7777, mtimeMs }).toEqual({
    size: 4,
    uid: 7,
    gid: 8,
    mode: 0o640,
    mtimeMs: 6000,
  });
});

test('no path and no symlink leads out of the root', async () => {
  symlinkSync(join(base, 'secret'), join(base, 'root/absolute'));
  symlinkSync('../secret', join(base, 'root/relative'));
  for (const path of [
    '../secret',
    '/../../secret',
    'dir/../../secret',
    join(base, 'secret'),
    '/absolute',
    '/relative',
  ]) {
    expect(await statusOf(packetType.open, text(path), uint32(rights.read), none)).toBe(2);
    expect(await statusOf(packetType.stat, text(path))).toBe(2);
  }
  // Where it would make a file, it makes it inside.
  await open('/../made', rights.write | rights.create);
  expect(statSync(join(base, 'root/made')).isFile()).toBe(true);
  expect(readFileSync(join(base, 'secret'), 'utf8')).toBe('outside');
});

test('wrong requests are answered; a broken stream ends the connection', async () => {
  expect(await statusOf(99)).toBe(8);
  expect(await statusOf(packetType.extended, text('nope@example.com'))).toBe(8);
  expect(await statusOf(packetType.read, text('77'), uint64(0), uint32(1))).toBe(4);
  expect(await statusOf(packetType.stat, text('a\0b'))).toBe(4);
  expect(await statusOf(packetType.stat, uint32(1000))).toBe(4);
  expect(await statusOf(packetType.open, text('/dir'), uint32(rights.read), none)).toBe(4);
  client.write(Buffer.concat([uint32(0x7fff_ffff), Buffer.alloc(16)]));
  await expect(served).rejects.toThrow('2147483647 bytes is not accepted');
});

test('a client may not hold more than 1024 files open', async () => {
  for (let count = 0; count < 1024; count++) await ask(packetType.opendir, text('/'));
  expect(await statusOf(packetType.opendir, text('/'))).toBe(4);
  expect(await statusOf(packetType.close, text('1'))).toBe(0);
  expect((await ask(packetType.opendir, text('/'))).type).toBe(packetType.handle);
});
