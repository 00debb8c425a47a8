/** Asking the kernel's routing tables by netlink(7), without a process. */
import { closeSync } from 'node:fs';
import { errnoError } from './errno.ts';
import { SOCK_CLOEXEC, SOCK_RAW } from './socket-address.ts';
import { recv, send, socketCall } from './syscalls.ts';

const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const NLM_F_REQUEST = 0x01;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER = 16;
const ATTRIBUTE_TYPE = 0x3fff;

// The kernel fills at most this much per reply to a dump; shared, since all use is synchronous.
const buffer = Buffer.alloc(65536);

/** The attributes of a message by number; a repeated one keeps its last value. */
export type Attributes = Map<number, Buffer>;

function align(length: number): number {
  return (length + 3) & ~3;
}

/** Splits a run of attributes (rtnetlink(7)), also nested ones. */
export function parseAttributes(data: Buffer): Attributes {
  const attributes: Attributes = new Map();
  let at = 0;
  while (at + 4 <= data.length) {
    const length = data.readUInt16LE(at);
    if (length < 4) break;
    attributes.set(data.readUInt16LE(at + 2) & ATTRIBUTE_TYPE, data.subarray(at + 4, at + length));
    at += align(length);
  }
  return attributes;
}

function dumpOnce<T>(type: number, body: Uint8Array, read: (payload: Buffer) => T): T[] | undefined {
  const fd = socketCall(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  try {
    const request = Buffer.alloc(HEADER + body.length);
    request.writeUInt32LE(request.length, 0);
    request.writeUInt16LE(type, 4);
    request.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
    request.set(body, HEADER);
    send(fd, request, request.length, 0);
    const found: T[] = [];
    let interrupted = false;
    for (;;) {
      const size = recv(fd, buffer, buffer.length, 0);
      let at = 0;
      while (at + HEADER <= size) {
        const length = buffer.readUInt32LE(at);
        const messageType = buffer.readUInt16LE(at + 4);
        if ((buffer.readUInt16LE(at + 6) & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (messageType === NLMSG_DONE) return interrupted ? undefined : found;
        if (messageType === NLMSG_ERROR) throw errnoError(-buffer.readInt32LE(at + HEADER), 'netlink');
        found.push(read(buffer.subarray(at + HEADER, at + length)));
        at += align(length);
      }
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Asks for a whole table, in this thread's network namespace. Asks again when it changed meanwhile.
 *
 * @param type the RTM_GET… request
 * @param body the request's fixed part, zeros for everything
 * @param read makes one entry of a reply's payload, which is overwritten afterwards
 */
export function dump<T>(type: number, body: Uint8Array, read: (payload: Buffer) => T): T[] {
  for (;;) {
    const entries = dumpOnce(type, body, read);
    if (entries) return entries;
  }
}
