import { describe, expect, it } from 'vitest';
import { parseSource } from './source.ts';

describe('the source of a cephfs pool', () => {
  it.each([
    [{ source: 'fs' }, { filesystem: 'fs', path: '/' }],
    [{ source: 'fs/' }, { filesystem: 'fs', path: '/' }],
    [{ source: 'fs/a/b' }, { filesystem: 'fs', path: '/a/b' }],
    [
      { source: 'fs', 'cephfs.path': '/a' },
      { filesystem: 'fs', path: '/a' },
    ],
    [
      { source: 'fs/a', 'cephfs.path': '/a/' },
      { filesystem: 'fs', path: '/a' },
    ],
    // Nothing leads out of the file system.
    [{ source: 'fs/../../a' }, { filesystem: 'fs', path: '/a' }],
  ])('is a file system and a directory in it: %o', (config, source) => {
    expect(parseSource(config)).toEqual(source);
  });

  it.each([{}, { source: '' }, { source: '/a' }, { source: '-o/a' }, { source: 'a,b' }])('%o is refused', (config) => {
    expect(() => parseSource(config)).toThrow('"source"');
  });

  it('is refused when two paths are named', () => {
    expect(() => parseSource({ source: 'fs/a', 'cephfs.path': '/b' })).toThrow('"cephfs.path"');
  });
});
