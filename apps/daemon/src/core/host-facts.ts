import { readFile } from 'node:fs/promises';
import { arch, hostname, release } from 'node:os';

/** What this machine is, as `GET /1.0` tells it. Read once. */
export interface HostFacts {
  readonly hostname: string;
  /** As LXD names it: `x86_64`. */
  readonly architecture: string;
  /** The architecture and the personalities its kernel runs too. */
  readonly architectures: readonly string[];
  readonly kernelVersion: string;
  readonly osName: string;
  readonly osVersion: string;
}

/** Node's names for architectures to the kernel's. */
const names: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  ia32: 'i686',
  arm64: 'aarch64',
  arm: 'armv7l',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  mips: 'mips',
};

const personalities: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['i686'],
  aarch64: ['armv7l'],
  ppc64: ['ppc'],
  mips64: ['mips'],
};

/** The values of an os-release(5) file. */
const osRelease = async (): Promise<Readonly<Record<string, string>>> => {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const match = /^([A-Z_]+)="?([^"]*)"?$/.exec(line);
      return match?.[1] ? [[match[1], match[2] ?? '']] : [];
    }),
  );
};

export const readHostFacts = async (): Promise<HostFacts> => {
  const os = await osRelease();
  const architecture = names[arch()] ?? arch();
  return {
    hostname: hostname(),
    architecture,
    architectures: [architecture, ...(personalities[architecture] ?? [])],
    kernelVersion: release(),
    osName: os['NAME'] ?? 'Linux',
    osVersion: os['VERSION_ID'] ?? '',
  };
};
