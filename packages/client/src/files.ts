import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Body, Client } from './client.ts';
import { readEnvelope, readText } from './envelope.ts';
import { ConnectionError } from './errors.ts';

export type FileType = 'file' | 'directory' | 'symlink';

/** Who owns a file in an instance, and how (spec 09 FIL-01). */
export interface FileAttributes {
  type: FileType;
  uid: number;
  gid: number;
  /** Permission bits, e.g. 0o644. */
  mode: number;
}

/** A file, directory or link as read from an instance. */
export type InstanceFile =
  | (FileAttributes & { type: 'file'; content: Readable })
  | (FileAttributes & { type: 'directory'; entries: string[] })
  | (FileAttributes & { type: 'symlink'; target: string });

/** What to make in an instance; attributes left out are the server's choice, or stay as they are. */
export interface FilePush {
  type: FileType;
  uid?: number | undefined;
  gid?: number | undefined;
  mode?: number | undefined;
  /** The bytes of a file, or the target of a link. */
  content?: string | Uint8Array | Readable;
  /** Adds to the end of an existing file. */
  append?: boolean;
}

const attributes = (headers: IncomingHttpHeaders): FileAttributes => {
  const text = (name: string): string => {
    const value = headers[name];
    if (typeof value !== 'string') throw new ConnectionError(`The server sent a file without the header ${name}`);
    return value;
  };
  const type = text('x-lxd-type');
  if (type !== 'file' && type !== 'directory' && type !== 'symlink') {
    throw new ConnectionError(`The server sent a file of the unknown type "${type}"`);
  }
  return {
    type,
    uid: Number(text('x-lxd-uid')),
    gid: Number(text('x-lxd-gid')),
    mode: Number.parseInt(text('x-lxd-mode'), 8) & 0o7777,
  };
};

const filePath = (client: Client, instance: string, path: string): string =>
  client.path(['instances', instance, 'files'], { path });

/** Reads a file, a directory's names, or a link's target. The content of a file must be consumed. */
export const pullFile = async (client: Client, instance: string, path: string): Promise<InstanceFile> => {
  const reply = await client.raw('GET', filePath(client, instance, path));
  if (reply.status !== 200) {
    await readEnvelope(reply);
    throw new ConnectionError(`The server answered ${reply.status} to a file request`);
  }
  const found = attributes(reply.headers);
  if (found.type === 'directory') {
    // A directory is answered in the usual envelope, with the list of names (spec 09 FIL-01).
    const entries = (await readEnvelope(reply)).metadata as string[] | null;
    return { ...found, type: 'directory', entries: entries ?? [] };
  }
  if (found.type === 'symlink') {
    return { ...found, type: 'symlink', target: (await readText(reply.body)).replace(/\n$/, '') };
  }
  return { ...found, type: 'file', content: reply.body };
};

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

/** Creates or replaces a file, makes a directory or a link. */
export const pushFile = async (client: Client, instance: string, path: string, file: FilePush): Promise<void> => {
  const { type, uid, gid, mode, append } = file;
  const content: Body = file.content ?? '';
  const reply = await client.raw('POST', filePath(client, instance, path), content, {
    headers: {
      'x-lxd-type': type,
      ...(uid === undefined ? {} : { 'x-lxd-uid': String(uid) }),
      ...(gid === undefined ? {} : { 'x-lxd-gid': String(gid) }),
      ...(mode === undefined ? {} : { 'x-lxd-mode': octal(mode) }),
      ...(append ? { 'x-lxd-write': 'append' } : {}),
    },
  });
  await readEnvelope(reply);
};

/** Removes a file, a link or an empty directory. */
export const deleteFile = async (client: Client, instance: string, path: string): Promise<void> => {
  await readEnvelope(await client.raw('DELETE', filePath(client, instance, path)));
};

/** Opens an SFTP session over the root of an instance: the bare byte stream of the protocol. */
export const openSftp = async (client: Client, instance: string): Promise<import('node:net').Socket> => {
  const { socket, head } = await client.transport.upgrade({
    method: 'GET',
    path: client.path(['instances', instance, 'sftp']),
    headers: { upgrade: 'sftp' },
  });
  if (head.length > 0) socket.unshift(head);
  return socket;
};
