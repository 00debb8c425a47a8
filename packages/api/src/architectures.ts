import { InvalidInputError } from './errors.ts';

export interface Architecture {
  /** The number that is stored. */
  readonly id: number;
  /** The kernel's name. */
  readonly name: string;
  /** Architectures a kernel of this one runs as well. */
  readonly personalities: readonly string[];
  /** Other words for it: Debian's, Go's and Docker's. */
  readonly aliases: readonly string[];
}

/** Spec 01.135: names follow the kernel's; hard-float and soft-float ARMv7 are the same. */
export const architectures = [
  { id: 1, name: 'i686', personalities: [], aliases: ['i386', 'i586', '386', 'x86', 'generic_32'] },
  { id: 2, name: 'x86_64', personalities: ['i686'], aliases: ['amd64', 'generic_64'] },
  { id: 3, name: 'armv7l', personalities: [], aliases: ['armel', 'armhf', 'arm', 'armhfp', 'armv7', 'armv7a_hardfp'] },
  { id: 4, name: 'aarch64', personalities: ['armv7l'], aliases: ['arm64', 'arm64_generic'] },
  { id: 5, name: 'ppc', personalities: [], aliases: ['powerpc'] },
  { id: 6, name: 'ppc64', personalities: ['ppc'], aliases: ['powerpc64'] },
  { id: 7, name: 'ppc64le', personalities: [], aliases: ['ppc64el'] },
  { id: 8, name: 's390x', personalities: [], aliases: [] },
  { id: 9, name: 'mips', personalities: [], aliases: ['mipsel'] },
  { id: 10, name: 'mips64', personalities: ['mips'], aliases: ['mips64el'] },
  { id: 11, name: 'riscv32', personalities: [], aliases: [] },
  { id: 12, name: 'riscv64', personalities: [], aliases: [] },
] as const satisfies readonly Architecture[];

export type ArchitectureName = (typeof architectures)[number]['name'];

/**
 * Finds an architecture by its kernel name or another word for it.
 *
 * @throws InvalidInputError that lists the known ones
 */
export const architectureNamed = (name: string): Architecture => {
  const found = architectures.find((known: Architecture) => known.name === name || known.aliases.includes(name));
  if (found) return found;
  const names = architectures.map((known) => known.name).join(', ');
  throw new InvalidInputError(`Architecture isn't supported: "${name}" is none of ${names}`);
};

/** @throws InvalidInputError for a number that stands for none */
export const architectureNumbered = (id: number): Architecture => {
  const found = architectures.find((known) => known.id === id);
  if (!found) throw new InvalidInputError(`Architecture isn't supported: ${id}`);
  return found;
};

/** The architectures a host of this one runs, its own first (`architectures` of `GET /1.0`). */
export const architecturesOf = (kernel: string): string[] => {
  const { name, personalities } = architectureNamed(kernel);
  return [name, ...personalities];
};
