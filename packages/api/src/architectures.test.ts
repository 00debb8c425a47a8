import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { architectureNamed, architectureNumbered, architectures, architecturesOf } from './architectures.ts';

describe('architectures', () => {
  it('[01.135 03.26] are those of the published table', () => {
    const chapter = readFileSync(new URL('../../../docs/spec/01-server-and-security.md', import.meta.url), 'utf8');
    const published = [...chapter.matchAll(/^ *\| (\d+) \| `(\w+)` \|/gm)].map(([, id, name]) => ({
      id: Number(id),
      name,
    }));
    expect(published).toHaveLength(12);
    expect(architectures.map(({ id, name }) => ({ id, name }))).toEqual(published);
  });

  it('[03.27] 64-bit kernels run their 32-bit sister', () => {
    expect(architecturesOf('x86_64')).toEqual(['x86_64', 'i686']);
    expect(architecturesOf('aarch64')).toEqual(['aarch64', 'armv7l']);
    expect(architecturesOf('s390x')).toEqual(['s390x']);
  });

  it('[01.136 03.28] hard-float and soft-float ARMv7 are the same', () => {
    expect(architectureNamed('armhf')).toBe(architectureNamed('armel'));
    expect(architectureNamed('amd64').name).toBe('x86_64');
    expect(architectureNumbered(4).name).toBe('aarch64');
  });

  it('no word stands for two', () => {
    const words = architectures.flatMap(({ name, aliases }) => [name, ...aliases]);
    expect(new Set(words).size).toBe(words.length);
    expect(() => architectureNamed('vax')).toThrow(/"vax" is none of i686, x86_64/);
    expect(() => architectureNumbered(0)).toThrow(/isn't supported/);
  });
});
