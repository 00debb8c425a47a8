import { writeSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { type Cgroup, memoryUsage, processStat, processUsage, readFlatKeyed, uptime } from '@lxd-ts/host';
import { CallError, type Caller } from './caller.ts';
import type { Answer, Notification } from './message.ts';

const EFAULT = 14;
const TICKS_PER_SECOND = 100;

/** Fills struct sysinfo (sysinfo(2), 112 bytes on 64-bit systems) with the container's own figures. */
export const sysinfoCall = (caller: Caller, { args, initPid }: Notification, cgroup: Cgroup): Answer => {
  const memory = memoryUsage(cgroup);
  const total = Math.min(memory.limit ?? totalmem(), totalmem());
  const usage = memory.usage ?? 0;
  const cache = readFlatKeyed(cgroup, 'memory', 'memory.stat').get('cache') ?? 0;
  const free = memory.limit === undefined ? freemem() : Math.max(0, total - usage);
  const started = (processStat(initPid)?.startTicks ?? 0) / TICKS_PER_SECOND;
  const info = Buffer.alloc(112);
  const word = (at: number, value: number) => info.writeBigUInt64LE(BigInt(Math.floor(value)), at);
  word(0, uptime() - started);
  // Load averages (8 to 31) are not counted per container.
  word(32, total);
  word(40, free);
  word(48, 0); // shared
  word(56, cache);
  word(64, memory.swapLimit ?? 0);
  word(72, Math.max(0, (memory.swapLimit ?? 0) - (memory.swapUsage ?? 0)));
  info.writeUInt16LE(Math.min(processUsage(cgroup)?.count ?? 0, 0xffff), 80);
  info.writeUInt32LE(1, 104); // bytes per unit
  try {
    writeSync(caller.memory, info, 0, info.length, Number(args[0] ?? 0n));
  } catch (error) {
    throw Object.assign(new CallError(EFAULT), { cause: error });
  }
  return { value: 0n };
};
