/** Raw Ethernet frames on a guest's interface (packet(7)), to send what no honest program would. */
import { closeSync } from 'node:fs';
import { inNetNamespace, listLinks } from '@lxd-ts/host';
import koffi from 'koffi';
import type { Guest } from './guest.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL = 3;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;

export interface FrameSocket extends Disposable {
  /** Sends a whole frame, Ethernet header included. */
  send(frame: Uint8Array): void;
  /** The frames seen since the last call, also those sent. A VLAN tag may have been taken out. */
  received(): Buffer[];
}

/** sockaddr_ll of packet(7). */
const linkAddress = (index: number): Buffer => {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P_ALL, 2);
  address.writeInt32LE(index, 4);
  return address;
};

/** @throws Error when the guest has no such interface */
export const openFrames = (guest: Guest, link = 'eth0'): FrameSocket => {
  const libc = koffi.load(null);
  const call = (prototype: string): ((...args: (number | Uint8Array)[]) => number) => libc.func(prototype);
  const socket = call('int socket(int, int, int)');
  const bind = call('int bind(int, const void*, unsigned int)');
  const send = call('long send(int, const void*, size_t, int)');
  const receive = call('long recv(int, void*, size_t, int)');
  const checked = (result: number, what: string): number => {
    if (result < 0) throw new Error(`${what} failed with errno ${koffi.errno()}`);
    return result;
  };
  const index = listLinks(guest.pid).find(({ name }) => name === link)?.index;
  if (index === undefined) throw new Error(`The guest has no interface ${link}`);
  // The protocol in network byte order.
  const fd = inNetNamespace(guest.pid, () => checked(socket(AF_PACKET, SOCK_RAW, ETH_P_ALL << 8), 'socket'));
  const address = linkAddress(index);
  checked(bind(fd, address, address.length), 'bind');
  return {
    send(frame) {
      checked(send(fd, frame, frame.length, 0), 'send');
    },
    received() {
      const frames: Buffer[] = [];
      for (;;) {
        const buffer = Buffer.alloc(65536);
        const size = receive(fd, buffer, buffer.length, MSG_DONTWAIT);
        if (size < 0 && koffi.errno() === EAGAIN) return frames;
        frames.push(buffer.subarray(0, checked(size, 'recv')));
      }
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
};
