import { closeSync, type Stats } from 'node:fs';
import { type FileHandle, statfs } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Duplex } from 'node:stream';
import { badRequest, isKind, messageOf } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import type { InstanceFiles } from './files.ts';
import { type Attributes, type FileStats, nameEntry, readAttributes, writeAttributes } from './sftp-attributes.ts';
import { Handles } from './sftp-handles.ts';
import { maxPacket, PacketReader, packet, packetsOf, packetType, text, uint32, uint64 } from './sftp-packets.ts';

const version = 3;
const status = {
  ok: 0,
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const;
/** Flags of OPEN. */
const access = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const;
/** Entries in one answer to READDIR. */
const entriesAtOnce = 128;
/** What one READ gives at most: an answer must fit into a packet. */
const maxRead = maxPacket - 1024;
const O_PATH = 0o10000000;

const extensions: readonly (readonly [name: string, version: string])[] = [
  ['hardlink@openssh.com', '1'],
  ['posix-rename@openssh.com', '1'],
  ['statvfs@openssh.com', '2'],
  ['fsync@openssh.com', '1'],
];

/** An answer that is a status other than an error. */
const statusPacket = (id: number, code: number, message: string): Buffer =>
  packet(packetType.status, uint32(id), uint32(code), text(message), text('en'));

const statusOf = (error: unknown): number => {
  if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR') || isKind(error, 'not-found')) return status.noSuchFile;
  if (isErrno(error, 'EACCES') || isErrno(error, 'EPERM') || isErrno(error, 'EROFS')) return status.permissionDenied;
  return status.failure;
};

/** A path as clients give it, relative to the root. @throws LxdError bad-request */
const pathOf = (fields: PacketReader): string => {
  const path = fields.text();
  if (path.includes('\0')) throw badRequest('A path cannot hold a NUL character');
  return posix.normalize(`/${path}`);
};

/** Answers one request: what stands in the packet behind its id, to what is sent. */
type Answer = (id: number, fields: PacketReader) => Promise<Buffer> | Buffer;

/** The requests of the protocol by type, over the files of an instance. */
const answersOver = (files: InstanceFiles, handles: Handles): Readonly<Record<number, Answer>> => {
  const { root } = files;
  const ok = (id: number): Buffer => statusPacket(id, status.ok, 'Success');

  const inside = (stats: Stats): FileStats => ({
    size: stats.size,
    mode: stats.mode,
    uid: files.insideId('uid', stats.uid),
    gid: files.insideId('gid', stats.gid),
    atimeMs: stats.atimeMs,
    mtimeMs: stats.mtimeMs,
    nlink: stats.nlink,
  });
  const attributes = (id: number, stats: Stats): Buffer =>
    packet(packetType.attrs, uint32(id), writeAttributes(inside(stats)));

  const hostOwner = ({ uid, gid }: { uid: number; gid: number }) => ({
    uid: files.hostId('uid', uid),
    gid: files.hostId('gid', gid),
  });
  /** Owner and mode of something new: root's, as made by a process in the instance. */
  const ownership = ({ owner, mode }: Attributes) => ({
    ...hostOwner(owner ?? { uid: 0, gid: 0 }),
    ...(mode === undefined ? {} : { mode }),
  });

  const set = async (file: FileHandle, { size, owner, mode, times }: Attributes): Promise<void> => {
    if (size !== undefined) await file.truncate(size);
    if (owner) {
      const { uid, gid } = hostOwner(owner);
      await file.chown(uid, gid);
    }
    if (mode !== undefined) await file.chmod(mode);
    if (times) await file.utimes(times.accessed, times.modified);
  };

  const setPath = async (path: string, { size, owner, mode, times }: Attributes): Promise<void> => {
    if (size !== undefined) {
      await using file = await root.open(path, 'write');
      await file.truncate(size);
    }
    if (owner) {
      const { uid, gid } = hostOwner(owner);
      root.chown(path, uid, gid);
    }
    if (mode !== undefined) root.chmod(path, mode);
    if (times) root.utimes(path, times.accessed, times.modified);
  };

  /** Makes the file if it is to be made, and opens it. */
  const openFile = async (path: string, flags: number, given: Attributes): Promise<FileHandle> => {
    const reads = (flags & access.read) !== 0;
    const writes = (flags & (access.write | access.append)) !== 0;
    if (flags & access.create && writes) {
      const exists = root.exists(path);
      if (!exists || flags & access.exclusive) {
        const made = await root.create(path, {
          ...ownership(given),
          exclusive: (flags & access.exclusive) !== 0,
          append: true,
        });
        await made.close();
      }
    }
    const file = await root.open(
      path,
      flags & access.append ? 'append' : writes ? (reads ? 'read-write' : 'write') : 'read',
    );
    try {
      if ((await file.stat()).isDirectory()) throw badRequest('It is a directory');
      if (flags & access.truncate && writes) await file.truncate(0);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  };

  const statVfs = async (id: number, path: string): Promise<Buffer> => {
    const fd = root.openFd(path, O_PATH);
    try {
      const {
        bsize,
        blocks,
        bfree,
        bavail,
        files: inodes,
        ffree,
      } = await statfs(`/proc/self/fd/${fd}`, { bigint: true });
      const fields = [bsize, bsize, blocks, bfree, bavail, inodes, ffree, ffree, 0n, 0n, 255n];
      return packet(packetType.extendedReply, uint32(id), ...fields.map(uint64));
    } finally {
      closeSync(fd);
    }
  };

  const extended: Readonly<Record<string, Answer>> = {
    'hardlink@openssh.com': (id, fields) => {
      root.link(pathOf(fields), pathOf(fields));
      return ok(id);
    },
    'posix-rename@openssh.com': (id, fields) => {
      root.rename(pathOf(fields), pathOf(fields));
      return ok(id);
    },
    'statvfs@openssh.com': (id, fields) => statVfs(id, pathOf(fields)),
    'fsync@openssh.com': async (id, fields) => {
      await handles.file(fields.text()).file.sync();
      return ok(id);
    },
  };

  return {
    async [packetType.open](id, fields) {
      handles.checkRoom();
      const [path, flags, given] = [pathOf(fields), fields.uint32(), readAttributes(fields)];
      const file = await openFile(path, flags, given);
      const handle = handles.add({ kind: 'file', file, append: (flags & access.append) !== 0 });
      return packet(packetType.handle, uint32(id), text(handle));
    },

    async [packetType.close](id, fields) {
      await handles.close(fields.text());
      return ok(id);
    },

    async [packetType.read](id, fields) {
      const { file } = handles.file(fields.text());
      const [offset, length] = [fields.uint64(), Math.min(fields.uint32(), maxRead)];
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
      if (bytesRead === 0 && length > 0) return statusPacket(id, status.eof, 'End of file');
      return packet(packetType.data, uint32(id), text(buffer.subarray(0, bytesRead)));
    },

    async [packetType.write](id, fields) {
      const { file, append } = handles.file(fields.text());
      const [offset, data] = [fields.uint64(), fields.bytes()];
      for (let done = 0; done < data.length; ) {
        const { bytesWritten } = await file.write(data, done, data.length - done, append ? null : offset + done);
        done += bytesWritten;
      }
      return ok(id);
    },

    [packetType.lstat]: (id, fields) => attributes(id, root.lstat(pathOf(fields))),
    [packetType.stat]: (id, fields) => attributes(id, root.stat(pathOf(fields))),
    [packetType.fstat]: async (id, fields) => attributes(id, await handles.file(fields.text()).file.stat()),

    async [packetType.setstat](id, fields) {
      await setPath(pathOf(fields), readAttributes(fields));
      return ok(id);
    },

    async [packetType.fsetstat](id, fields) {
      await set(handles.file(fields.text()).file, readAttributes(fields));
      return ok(id);
    },

    [packetType.opendir](id, fields) {
      handles.checkRoom();
      const path = pathOf(fields);
      const handle = handles.add({ kind: 'directory', path, names: ['.', '..', ...root.list(path)], position: 0 });
      return packet(packetType.handle, uint32(id), text(handle));
    },

    [packetType.readdir](id, fields) {
      const directory = handles.directory(fields.text());
      const entries: Buffer[] = [];
      while (entries.length < entriesAtOnce && directory.position < directory.names.length) {
        const name = directory.names[directory.position++] ?? '';
        try {
          entries.push(nameEntry(name, inside(root.lstat(posix.join(directory.path, name)))));
        } catch (error) {
          // Removed since the directory was opened.
          if (!isErrno(error, 'ENOENT')) throw error;
        }
      }
      if (entries.length === 0) return statusPacket(id, status.eof, 'End of directory');
      return packet(packetType.name, uint32(id), uint32(entries.length), ...entries);
    },

    [packetType.remove](id, fields) {
      root.unlink(pathOf(fields));
      return ok(id);
    },

    [packetType.mkdir](id, fields) {
      root.mkdir(pathOf(fields), ownership(readAttributes(fields)));
      return ok(id);
    },

    [packetType.rmdir](id, fields) {
      root.rmdir(pathOf(fields));
      return ok(id);
    },

    [packetType.realpath]: (id, fields) =>
      packet(
        packetType.name,
        uint32(id),
        uint32(1),
        nameEntry(posix.join('/', pathOf(fields)).replace(/(.)\/$/, '$1')),
      ),

    [packetType.rename](id, fields) {
      const [from, to] = [pathOf(fields), pathOf(fields)];
      // Version 3 never replaces; `posix-rename` does.
      try {
        root.lstat(to);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
        root.rename(from, to);
        return ok(id);
      }
      throw badRequest(`"${to}" exists already`);
    },

    [packetType.readlink]: (id, fields) =>
      packet(packetType.name, uint32(id), uint32(1), nameEntry(root.readlink(pathOf(fields)))),

    // OpenSSH, and all who want to talk with it, send the target first, unlike the draft.
    [packetType.symlink](id, fields) {
      const target = fields.text();
      if (target.includes('\0')) throw badRequest('A path cannot hold a NUL character');
      root.symlink(target, pathOf(fields), hostOwner({ uid: 0, gid: 0 }));
      return ok(id);
    },

    [packetType.extended](id, fields) {
      const name = fields.text();
      const answer = Object.hasOwn(extended, name) ? extended[name] : undefined;
      return answer ? answer(id, fields) : statusPacket(id, status.unsupported, `Extension "${name}" is not supported`);
    },
  };
};

const send = (stream: Duplex, bytes: Buffer): Promise<void> | undefined => {
  if (stream.write(bytes)) return undefined;
  return new Promise((resolve) => {
    const go = (): void => {
      stream.off('drain', go);
      stream.off('close', go);
      resolve();
    };
    stream.once('drain', go);
    stream.once('close', go);
  });
};

/**
 * Serves the SSH file transfer protocol, version 3, over a raw stream: the files of an instance, with ids as inside. Every path is
 * resolved below the instance's root. Requests are answered in order. Ends when the client ends the stream or breaks the protocol;
 * then all files are closed.
 */
export const serveSftp = async (stream: Duplex, files: InstanceFiles): Promise<void> => {
  await using handles = new Handles();
  const answers = answersOver(files, handles);
  for await (const { type, body } of packetsOf(stream)) {
    if (type === packetType.init) {
      const offered = extensions.flatMap(([name, value]) => [text(name), text(value)]);
      await send(stream, packet(packetType.version, uint32(version), ...offered));
      continue;
    }
    const fields = new PacketReader(body);
    const id = fields.uint32();
    try {
      const answer = answers[type];
      await send(
        stream,
        answer ? await answer(id, fields) : statusPacket(id, status.unsupported, `Request ${type} is not supported`),
      );
    } catch (error) {
      await send(stream, statusPacket(id, statusOf(error), messageOf(error)));
    }
  }
};
