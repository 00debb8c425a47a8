import { type InstanceExecControl, instanceExecControl } from '@lxd-ts/api';
import type { WebSocket } from 'ws';

/** What the control stream of a command or console can ask for. */
export interface Controlled {
  resize(width: number, height: number): void;
  /** Unset: signals are ignored. */
  signal?(number: number): void;
}

/** Rows and columns are 16-bit numbers in the kernel (ioctl_tty(2), struct winsize). */
const largestSize = 0xffff;
/** SIGRTMAX of Linux. */
const lastSignal = 64;

/** A terminal's size in what the kernel can hold; `fallback` for what is no size. */
export const terminalSide = (wanted: number, fallback: number): number =>
  Number.isInteger(wanted) && wanted > 0 ? Math.min(wanted, largestSize) : fallback;

const parse = (text: string): InstanceExecControl | undefined => {
  try {
    return instanceExecControl.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: a client that says something else on this stream has nothing to tell us.
    return undefined;
  }
};

/** Obeys the messages of a control stream (spec 09 EXE-05, CON-01); what is not understood is ignored, as LXD does. */
export const obeyControl = (socket: WebSocket, target: Controlled): void => {
  socket.on('message', (data) => {
    const message = parse(String(data));
    if (message?.command === 'window-resize') {
      const width = terminalSide(Number(message.args.width), 0);
      const height = terminalSide(Number(message.args.height), 0);
      if (width > 0 && height > 0) target.resize(width, height);
    } else if (message?.command === 'signal' && message.signal > 0 && message.signal <= lastSignal) {
      target.signal?.(message.signal);
    }
  });
};
