/** Unix sockets beyond what Node's own can do: credentials, descriptors and message boundaries (unix(7)). */
import { closeSync } from 'node:fs';
import { errnoError, errnoNamed, isErrno } from '@lxd-ts/host';
import koffi from 'koffi';
import { bind, fcntl, libc } from './syscalls.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const socket = bind<[family: number, type: number, protocol: number]>('int socket(int family, int type, int protocol)');
const connect = bind<[fd: number, address: Uint8Array, length: number]>(
  'int connect(int fd, const void *address, unsigned int length)',
);

const setsockopt = bind<[fd: number, level: number, name: number, value: Uint8Array, length: number]>(
  'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
);
const SOL_SOCKET = 1;
const SO_PASSCRED = 16;

/** struct sockaddr_un for a name with its NUL: before an abstract one, behind a path. */
const unixAddress = (name: string): Buffer => {
  const path = Buffer.from(name);
  const address = Buffer.alloc(2 + path.length);
  address.writeUInt16LE(AF_UNIX, 0);
  path.copy(address, 2);
  return address;
};

/**
 * Connects to an abstract Unix address (its NUL included). Messages tell the other side who sends them, from the first one on:
 * it may not have asked for that yet (SO_PASSCRED in unix(7)).
 *
 * @returns a blocking socket
 * @throws errno-coded error: ECONNREFUSED when nobody listens, EAGAIN when too many wait
 */
export const connectUnix = (address: string): number => {
  const name = unixAddress(address);
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    const on = Buffer.alloc(4);
    on.writeInt32LE(1);
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, on, on.length);
    connect(fd, name, name.length);
    fcntl(fd, F_SETFL, 0);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

// Types without names: koffi knows each name once per process, however often this module is loaded.
const vector = koffi.struct({ base: 'void *', length: 'size_t' });
const messageHeader = koffi.struct({
  name: 'void *',
  nameLength: 'uint32_t',
  data: koffi.pointer(vector),
  dataLength: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
});
const recvmsg = libc.func('recvmsg', 'long', ['int', koffi.inout(koffi.pointer(messageHeader)), 'int']);
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const BACKLOG = 16;
/** sizeof(struct sockaddr_un). */
const ADDRESS_MAX = 110;
const SCM_RIGHTS = 1;

/** Looks through control messages: length (64 bits), level, type (32 bits each), data, padded to 64 bits (cmsg(3)). */
const descriptorsIn = (control: Buffer): number[] => {
  const found: number[] = [];
  let at = 0;
  while (at + 16 < control.length) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < 16) break;
    if (control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS) {
      for (let fd = at + 16; fd + 4 <= at + length; fd += 4) found.push(control.readInt32LE(fd));
    }
    at += Math.ceil(length / 8) * 8;
  }
  return found;
};

const MESSAGE_MAX = 4096;

/** Room for a message with its descriptors. */
const newMessage = () => {
  const data = Buffer.alloc(MESSAGE_MAX);
  const control = Buffer.alloc(256);
  const header = {
    name: null,
    nameLength: 0,
    data: { base: data, length: data.length },
    dataLength: 1,
    control,
    controlLength: control.length,
    flags: 0,
  };
  return { data, control, header };
};

/**
 * Receives a message with a file descriptor from a blocking Unix socket (unix(7)), on a thread of its own.
 *
 * @returns undefined when none comes along
 */
export const receiveDescriptor = async (socket: number): Promise<number | undefined> => {
  const { control, header } = newMessage();
  await new Promise<void>((resolve, reject) => {
    recvmsg.async(socket, header, MSG_CMSG_CLOEXEC, (error: unknown, size: number) => {
      if (error) reject(error);
      else if (size === -1) reject(errnoError(koffi.errno(), 'recvmsg'));
      else resolve();
    });
  });
  return descriptorsIn(control)[0];
};

/**
 * Receives what has arrived at a socket, without waiting. No data and no descriptors: the other side has hung up.
 */
export const receiveMessage = (socket: number): { data: Buffer; descriptors: number[] } | 'nothing yet' => {
  const { data, control, header } = newMessage();
  const size: number = recvmsg(socket, header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size === -1) {
    const error = errnoError(koffi.errno(), 'recvmsg');
    if (isErrno(error, 'EAGAIN')) return 'nothing yet';
    throw error;
  }
  return { data: data.subarray(0, size), descriptors: descriptorsIn(control) };
};

const sendTo = bind<[fd: number, data: Uint8Array, size: number, flags: number]>(
  'long send(int fd, const void *data, size_t size, int flags)',
);

/** Sends one message. */
export const sendPacket = (socket: number, data: Uint8Array): void => {
  sendTo(socket, data, data.length, MSG_NOSIGNAL);
};

const bindAddress = bind<[fd: number, address: Uint8Array, length: number]>(
  'int bind(int fd, const void *address, unsigned int length)',
);
const listen = bind<[fd: number, backlog: number]>('int listen(int fd, int backlog)');
const accept4 = bind<[fd: number, address: null, length: null, flags: number]>(
  'int accept4(int fd, void *address, void *length, int flags)',
);

/** Listens at a path for connections that keep messages apart (SOCK_SEQPACKET). @throws ENAMETOOLONG */
export const listenPackets = (path: string): number => {
  const address = unixAddress(`${path}\0`);
  if (address.length > ADDRESS_MAX) throw errnoNamed('ENAMETOOLONG', 'bind', path);
  const fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    bindAddress(fd, address, address.length);
    listen(fd, BACKLOG);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

/** The next connection that waits. */
export const acceptConnection = (socket: number): number | undefined => {
  try {
    return accept4(socket, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } catch (error) {
    if (isErrno(error, 'EAGAIN', 'ECONNABORTED')) return undefined;
    throw error;
  }
};
