/**
 * A program of a hundred bytes that liblxc runs inside a container in place of a command that gets a terminal: it makes itself
 * leader of a session, takes its standard input for controlling terminal, and becomes the command. liblxc offers that only
 * to a caller who forwards all data between two terminals, and nothing may be expected to be installed in a container.
 *
 * It is called as `argv = [path, name, ...arguments]` and executes `path` as `name` with its own environment.
 * When that fails it exits like a shell: 127 when there is no such file, else 126.
 */

import { elfProgram } from './elf.ts';

interface Machine {
  /** e_machine of elf(5). */
  readonly id: number;
  readonly code: string;
}

const machines: Readonly<Record<string, Machine>> = {
  x64: {
    id: 62,
    code: [
      '4889e3', // mov rbx, rsp            argc, argv, NULL, envp
      'b870000000 0f05', // setsid()
      '31ff be0e540000 31d2 b810000000 0f05', // ioctl(0, TIOCSCTTY, 0)
      '488b7b08', // mov rdi, [rbx+8]      argv[0]
      '488d7310', // lea rsi, [rbx+16]     &argv[1]
      '488b03 488d54c310', // rdx = envp, behind argc + 1 pointers
      'b83b000000 0f05', // execve(rdi, rsi, rdx)
      'bf7e000000', // mov edi, 126
      '83f8fe 7502 ffc7', // if eax == -ENOENT: edi = 127
      'b83c000000 0f05', // exit(edi)
    ].join(''),
  },
  arm64: {
    id: 183,
    code: [
      'f3030091', // mov x19, sp           argc, argv, NULL, envp
      'a81380d2 010000d4', // setsid()
      '000080d2 c1818ad2 020080d2 a80380d2 010000d4', // ioctl(0, TIOCSCTTY, 0)
      '600640f9', // ldr x0, [x19, #8]     argv[0]
      '61420091', // add x1, x19, #16      &argv[1]
      '630240f9 220c038b', // x2 = envp, behind argc + 1 pointers
      'a81b80d2 010000d4', // execve(x0, x1, x2)
      '1f0800b1 c00f80d2 0014809a', // x0 = x0 == -ENOENT ? 127 : 126
      'a80b80d2 010000d4', // exit(x0)
    ].join(''),
  },
};

/**
 * The program as an ELF file.
 *
 * @param architecture - as Node names it
 * @returns undefined for an architecture it is not written for
 */
export const sessionLeader = (architecture: string): Buffer | undefined => {
  const machine = machines[architecture];
  return machine && elfProgram(machine.id, Buffer.from(machine.code.replaceAll(' ', ''), 'hex'));
};
