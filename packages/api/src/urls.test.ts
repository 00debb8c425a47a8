import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from './errors.ts';
import { instanceUrl, parseResourceUrl, resourceUrl, storageVolumeSnapshotUrl } from './urls.ts';

describe('URLs', () => {
  it('[09.COL-10] carry project and member where they are needed', () => {
    expect(instanceUrl('c1')).toBe('/1.0/instances/c1');
    expect(instanceUrl('c1', { project: 'default', target: 'none' })).toBe('/1.0/instances/c1');
    expect(instanceUrl('c1', { project: 'p' })).toBe('/1.0/instances/c1?project=p');
    expect(storageVolumeSnapshotUrl('ssd', 'custom', 'v', 's', { project: 'p', target: 'm1' })).toBe(
      '/1.0/storage-pools/ssd/volumes/custom/v/snapshots/s?project=p&target=m1',
    );
  });

  it('escape a name once', () => {
    expect(resourceUrl(['profiles', "a:b&c d!*@=+$(é~/?#'"])).toBe(
      '/1.0/profiles/a:b&c%20d%21%2A@=+$%28%C3%A9~%2F%3F%23%27',
    );
  });

  it('are read back as they were built', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(
        fc.array(name, { minLength: 1 }),
        name,
        fc.option(name, { nil: undefined }),
        (segments, project, target) => {
          fc.pre(target !== 'none');
          expect(parseResourceUrl(resourceUrl(segments, { project, target }))).toEqual({ segments, project, target });
        },
      ),
    );
  });

  it.each(['', 'c1', '/2.0/instances', '/1.0x', '/1.0/a%'])('%j is none', (url) => {
    expect(() => parseResourceUrl(url)).toThrow(InvalidInputError);
  });
});
