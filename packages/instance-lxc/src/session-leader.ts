/**
 * A program of a hundred bytes that liblxc runs inside a container in place of a command that gets a terminal: it makes itself
 * leader of a session, takes its standard input for controlling terminal, and becomes the command. liblxc offers that only
 * to a caller who forwards all data between two terminals, and nothing may be expected to be installed in a container.
 *
 * It is called as `argv = [path, name, ...arguments]` and executes `path` as `name` with its own environment.
 * When that fails it exits like a shell: 127 when there is no such file, else 126.
 */

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

const BASE = 0x400000n;
const HEADERS = 64 + 56;

/**
 * The program as an ELF file of one read-only, executable segment (elf(5)).
 *
 * @param architecture - as Node names it
 * @returns undefined for an architecture it is not written for
 */
export const sessionLeader = (architecture: string): Buffer | undefined => {
  const machine = machines[architecture];
  if (!machine) return undefined;
  const code = Buffer.from(machine.code.replaceAll(' ', ''), 'hex');
  const file = Buffer.concat([Buffer.alloc(HEADERS), code]);
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1'); // 64 bits, little-endian, version 1
  file.writeUInt16LE(2, 16); // e_type: ET_EXEC
  file.writeUInt16LE(machine.id, 18);
  file.writeUInt32LE(1, 20); // e_version
  file.writeBigUInt64LE(BASE + BigInt(HEADERS), 24); // e_entry
  file.writeBigUInt64LE(64n, 32); // e_phoff
  file.writeUInt16LE(64, 52); // e_ehsize
  file.writeUInt16LE(56, 54); // e_phentsize
  file.writeUInt16LE(1, 56); // e_phnum
  const segment = 64;
  file.writeUInt32LE(1, segment); // p_type: PT_LOAD
  file.writeUInt32LE(5, segment + 4); // p_flags: read, execute
  file.writeBigUInt64LE(BASE, segment + 16); // p_vaddr
  file.writeBigUInt64LE(BASE, segment + 24); // p_paddr
  file.writeBigUInt64LE(BigInt(file.length), segment + 32); // p_filesz
  file.writeBigUInt64LE(BigInt(file.length), segment + 40); // p_memsz
  file.writeBigUInt64LE(0x1000n, segment + 48); // p_align
  return file;
};
