/**
 * Messages of liblxc's monitor about system calls that wait for an answer (`lxc.seccomp.notify.proxy` in lxc.container.conf(5)).
 * One message is, without gaps: a header of 32 bytes, the kernel's struct seccomp_notif, a struct seccomp_notif_resp to
 * fill in. Along come descriptors of /proc/<pid> of the caller, of its memory, and of the kernel's listener.
 */

const HEADER = 32;
/** Tells the kernel to carry the call out after all (SECCOMP_USER_NOTIF_FLAG_CONTINUE). */
const CONTINUE = 1;

/** A system call that waits. */
export interface Notification {
  /** Host pid of the calling thread. */
  readonly pid: number;
  readonly number: number;
  /** AUDIT_ARCH_… of linux/audit.h. */
  readonly architecture: number;
  readonly args: readonly bigint[];
  /** Host pid of the container's init. */
  readonly initPid: number;
}

/** What the caller gets: a result, an error number, or what the kernel says to the call. */
export type Answer = { readonly value: bigint } | { readonly errno: number } | 'continue';

interface Layout {
  readonly notification: number;
  readonly response: number;
  readonly end: number;
}

const layoutOf = (message: Buffer): Layout => {
  const response = HEADER + message.readUInt16LE(16);
  return { notification: HEADER, response, end: response + message.readUInt16LE(18) };
};

/** @returns undefined for a message that is cut off */
export const parseMessage = (message: Buffer): Notification | undefined => {
  if (message.length < HEADER) return undefined;
  const { notification: at, end } = layoutOf(message);
  if (message.length < end) return undefined;
  return {
    initPid: message.readInt32LE(12),
    pid: message.readUInt32LE(at + 8),
    number: message.readInt32LE(at + 16),
    architecture: message.readUInt32LE(at + 20),
    args: Array.from({ length: 6 }, (_, index) => message.readBigUInt64LE(at + 32 + index * 8)),
  };
};

/** The message to send back. */
export const answerMessage = (message: Buffer, answer: Answer): Buffer => {
  const { notification, response: at, end } = layoutOf(message);
  const reply = Buffer.from(message.subarray(0, end));
  reply.writeBigUInt64LE(message.readBigUInt64LE(notification), at); // id
  reply.writeBigInt64LE(typeof answer === 'object' && 'value' in answer ? answer.value : 0n, at + 8);
  reply.writeInt32LE(typeof answer === 'object' && 'errno' in answer ? -answer.errno : 0, at + 16);
  reply.writeUInt32LE(answer === 'continue' ? CONTINUE : 0, at + 20);
  return reply;
};
