const BASE = 0x400000n;
const HEADERS = 64 + 56;

/**
 * A static program: an ELF file of one read-only, executable segment (elf(5)), which begins with its first instruction.
 *
 * @param machine - e_machine: 62 for x86-64, 183 for AArch64
 */
export const elfProgram = (machine: number, code: Uint8Array): Buffer => {
  const file = Buffer.concat([Buffer.alloc(HEADERS), code]);
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1'); // 64 bits, little-endian, version 1
  file.writeUInt16LE(2, 16); // e_type: ET_EXEC
  file.writeUInt16LE(machine, 18);
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
