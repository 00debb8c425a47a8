import { installSeccompFilter } from './syscalls.ts';

/** Offsets in struct seccomp_data of linux/seccomp.h. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const AUDIT_ARCH_X86_64 = 0xc000003e;
/** Set in the numbers of the x32 interface. */
const X32_BIT = 0x40000000;
const RETURN_ALLOW = 0x7fff0000;
/** ENOSYS, as if the kernel were built without. */
const RETURN_NOT_IMPLEMENTED = 0x00050000 | 38;

/** Classic BPF: operation, jumps when true and false, operand (linux/filter.h). */
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;
const program: readonly (readonly [operation: number, whenTrue: number, whenFalse: number, operand: number])[] = [
  [LOAD, 0, 0, ARCHITECTURE],
  [JUMP_EQUAL, 0, 3, AUDIT_ARCH_X86_64],
  [LOAD, 0, 0, NUMBER],
  [JUMP_GREATER_OR_EQUAL, 1, 0, X32_BIT],
  [RETURN, 0, 0, RETURN_ALLOW],
  [RETURN, 0, 0, RETURN_NOT_IMPLEMENTED],
];

/**
 * Takes the 32-bit interfaces of an x86-64 kernel (i386 and x32, whose calls are the kernel's `compat_*`) from this thread, and all
 * threads and processes it starts from now on. Profiles of liblxc cannot say that: they know calls by their native names.
 */
export const denyCompatCalls = (): void => {
  const code = Buffer.alloc(program.length * 8);
  program.forEach(([operation, whenTrue, whenFalse, operand], at) => {
    code.writeUInt16LE(operation, at * 8);
    code.writeUInt8(whenTrue, at * 8 + 2);
    code.writeUInt8(whenFalse, at * 8 + 3);
    code.writeUInt32LE(operand, at * 8 + 4);
  });
  installSeccompFilter(code, program.length);
};
