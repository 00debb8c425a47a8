import type { AddressInfo, Socket } from 'node:net';
import ssh2, { type AuthContext, type SFTPWrapper } from 'ssh2';
import { type Attributes, type Field, openSession, type Reply, type SftpSession } from './sftp-wire.ts';

/** A listener that lets any SFTP client reach the files of an instance. */
export interface SftpServer {
  /** As `address:port`. */
  address: string;
  /** What clients log in with; nothing if they need nothing. */
  credentials: { user: string; password: string } | undefined;
  /** Settles when the listener is closed. */
  closed: Promise<void>;
  close(): void;
}

export interface SftpServerOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** The user's name; a random one if empty. */
  user: string;
  authenticate: boolean;
  /** Opens a session over the instance's root, for each client that asks for one. */
  open(): Promise<Socket>;
}

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

const randomWord = (length: number): string => {
  const { randomInt } = process.getBuiltinModule('node:crypto');
  return Array.from({ length }, () => letters[randomInt(letters.length)]).join('');
};

const same = (given: string, wanted: string): boolean => {
  const { createHash, timingSafeEqual } = process.getBuiltinModule('node:crypto');
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
};

/** Attributes as ssh2 wants them, which has none without a value. */
const outgoing = ({ size = 0, uid = 0, gid = 0, mode = 0, atime = 0, mtime = 0 }: Attributes) => ({
  size,
  uid,
  gid,
  mode,
  atime,
  mtime,
});

const answer = (sftp: SFTPWrapper, id: number, reply: Reply): void => {
  if (reply.kind === 'status') sftp.status(id, reply.code, reply.message);
  else if (reply.kind === 'handle') sftp.handle(id, reply.handle);
  else if (reply.kind === 'data') sftp.data(id, reply.data);
  else if (reply.kind === 'attributes') sftp.attrs(id, outgoing(reply.attributes));
  else {
    const names = reply.names.map(({ filename, longname, attributes }) => ({
      filename,
      longname,
      attrs: outgoing(attributes),
    }));
    sftp.name(id, names);
  }
};

const failure = 4;

/** Hands every request of the client on to the session in the instance, and its replies back. */
const bridge = (sftp: SFTPWrapper, opening: Promise<SftpSession>): void => {
  const pass = (id: number, type: number, ...fields: Field[]): void => {
    opening
      .then((session) => session.request(type, fields))
      .then(
        (reply) => answer(sftp, id, reply),
        (error: Error) => sftp.status(id, failure, error.message),
      );
  };
  const text = (value: string | Buffer): Field => ({ text: value });
  // The numbers are those of the draft: SSH_FXP_OPEN is 3, SSH_FXP_CLOSE 4, and so on.
  sftp.on('OPEN', (id, path, flags, attrs) => pass(id, 3, text(path), { u32: flags }, { attributes: attrs }));
  sftp.on('CLOSE', (id, handle) => pass(id, 4, text(handle)));
  sftp.on('READ', (id, handle, at, length) => pass(id, 5, text(handle), { u64: at }, { u32: length }));
  sftp.on('WRITE', (id, handle, at, data) => pass(id, 6, text(handle), { u64: at }, text(data)));
  sftp.on('LSTAT', (id, path) => pass(id, 7, text(path)));
  sftp.on('FSTAT', (id, handle) => pass(id, 8, text(handle)));
  sftp.on('SETSTAT', (id, path, attrs) => pass(id, 9, text(path), { attributes: attrs }));
  sftp.on('FSETSTAT', (id, handle, attrs) => pass(id, 10, text(handle), { attributes: attrs }));
  sftp.on('OPENDIR', (id, path) => pass(id, 11, text(path)));
  sftp.on('READDIR', (id, handle) => pass(id, 12, text(handle)));
  sftp.on('REMOVE', (id, path) => pass(id, 13, text(path)));
  sftp.on('MKDIR', (id, path, attrs) => pass(id, 14, text(path), { attributes: attrs }));
  sftp.on('RMDIR', (id, path) => pass(id, 15, text(path)));
  sftp.on('REALPATH', (id, path) => pass(id, 16, text(path)));
  sftp.on('STAT', (id, path) => pass(id, 17, text(path)));
  sftp.on('RENAME', (id, from, to) => pass(id, 18, text(from), text(to)));
  sftp.on('READLINK', (id, path) => pass(id, 19, text(path)));
  // OpenSSH, and with it every server, has these two the other way round than the draft.
  sftp.on('SYMLINK', (id, link, target) => pass(id, 20, text(target), text(link)));
};

/** Starts an SSH server whose only service is SFTP; its host key and, unless told otherwise, its password are new. */
export const serveSftp = async (options: SftpServerOptions): Promise<SftpServer> => {
  const { host, port, authenticate, open } = options;
  const credentials = authenticate ? { user: options.user || randomWord(8), password: randomWord(8) } : undefined;
  const accepts = (context: AuthContext): boolean => {
    if (credentials === undefined) return true;
    if (context.method !== 'password') return false;
    return same(context.username, credentials.user) && same(context.password, credentials.password);
  };

  const hostKeys = [ssh2.utils.generateKeyPairSync('ed25519').private];
  const server = new ssh2.Server({ hostKeys, ident: 'LXD' }, (connection) => {
    // A client that goes away or speaks nonsense ends its own connection only.
    connection.on('error', () => connection.end());
    connection.on('authentication', (context) => {
      if (accepts(context)) context.accept();
      else context.reject(['password']);
    });
    connection.on('session', (acceptSession) => {
      acceptSession().on('sftp', (accept) => {
        const opening = open().then(openSession);
        // Accepted at once: clients send their first packet along, and it would be lost before there is a channel.
        bridge(accept(), opening);
        connection.once('close', () => {
          // A session that could not be opened was told to the client with each of its requests.
          opening.then(
            (session) => session.close(),
            () => undefined,
          );
        });
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  // An SSH server listens on an address and port, never on a path.
  const bound = server.address() as AddressInfo;
  const address = bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  const closed = new Promise<void>((resolve) => server.once('close', () => resolve()));
  return { address, credentials, closed, close: () => server.close() };
};
