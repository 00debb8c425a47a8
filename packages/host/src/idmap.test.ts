import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { contiguousIdMap, mergeIdMap, sameIdMap, toContainerId, toHostId } from './idmap.ts';
import { idMapToJson, lxcIdMap, parseIdMapJson, parseIdMapLines, userNamespaceRanges } from './idmap-formats.ts';
import { subordinateIds } from './subids.ts';
import { createUserNamespace } from './user-namespace.ts';

const base = contiguousIdMap(100000, 65536);

describe('custom entries', () => {
  test('[03.144 03.146 09.IDM-07] lines of single ids and ranges are read', () => {
    expect(parseIdMapLines('both 1000 1000\nuid 50-60 500-510\n\ngid 100000-110000 10000-20000\n')).toEqual([
      { kind: 'both', host: 1000, container: 1000, size: 1 },
      { kind: 'uid', host: 50, container: 500, size: 11 },
      { kind: 'gid', host: 100000, container: 10000, size: 10001 },
    ]);
  });

  test.each([
    ['both 1000-1001 1000', 'The ID map ranges are of different sizes "both 1000-1001 1000"'],
    ['foo 1 1', 'Invalid ID map type in "foo 1 1"'],
    ['both 1000', 'Invalid ID map line "both 1000"'],
    ['both 1000 1000 1000', 'Invalid ID map line'],
    ['both a 1', 'Invalid ID range "a" in ID map line "both a 1"'],
    ['both 10-5 10-5', 'Invalid ID range "10-5"'],
    ['both 4294967295 5', 'is not a range of IDs'],
    ['both 1 1\nuid 2 1', '"both 1 1" and "uid 2 1" map the same uid inside'],
    ['gid 1 1\nboth 1 2', '"gid 1 1" and "both 1 2" map the same gid on the host'],
  ])('[03.145] %j is refused with its reason', (text, message) => {
    expect(() => parseIdMapLines(text)).toThrow(message);
  });

  test('[03.144] they split the base ranges, in the stored form of the reference', () => {
    const merged = mergeIdMap(base, parseIdMapLines('both 1000 1000'));
    expect(JSON.stringify(idMapToJson(merged))).toBe(
      '[{"Isuid":true,"Isgid":false,"Hostid":100000,"Nsid":0,"Maprange":1000},' +
        '{"Isuid":true,"Isgid":true,"Hostid":1000,"Nsid":1000,"Maprange":1},' +
        '{"Isuid":true,"Isgid":false,"Hostid":101001,"Nsid":1001,"Maprange":64535},' +
        '{"Isuid":false,"Isgid":true,"Hostid":100000,"Nsid":0,"Maprange":1000},' +
        '{"Isuid":true,"Isgid":true,"Hostid":1000,"Nsid":1000,"Maprange":1},' +
        '{"Isuid":false,"Isgid":true,"Hostid":101001,"Nsid":1001,"Maprange":64535}]',
    );
    expect(lxcIdMap(merged)).toEqual([
      'u 0 100000 1000',
      'u 1000 1000 1',
      'g 1000 1000 1',
      'u 1001 101001 64535',
      'g 0 100000 1000',
      'g 1001 101001 64535',
    ]);
  });

  test('an entry for a host id that the base uses elsewhere is refused', () => {
    expect(() => mergeIdMap(base, parseIdMapLines('uid 100005 1000'))).toThrow('map the same uid on the host');
    expect(mergeIdMap(base, parseIdMapLines('uid 101000 1000'))).toHaveLength(4);
  });

  test('any merge of disjoint ranges maps each id as its last word says, and survives its JSON form', () => {
    const entry = fc.record({
      kind: fc.constantFrom('uid' as const, 'gid' as const, 'both' as const),
      container: fc.nat(70000),
      size: fc.integer({ min: 1, max: 5000 }),
    });
    fc.assert(
      fc.property(entry, fc.nat(80000), ({ kind, container, size }, id) => {
        const custom = [{ kind, host: 5_000_000, container, size }];
        const merged = mergeIdMap(base, custom);
        for (const each of ['uid', 'gid'] as const) {
          const expected = toHostId(custom, each, id) ?? toHostId(base, each, id);
          const host = toHostId(merged, each, id);
          expect(host).toBe(expected);
          if (host !== undefined) expect(toContainerId(merged, each, host)).toBe(id);
        }
        expect(parseIdMapJson(JSON.stringify(idMapToJson(merged)))).toEqual(merged);
      }),
    );
  });

  test('the kernel takes a merged map', async () => {
    const merged = mergeIdMap(base, parseIdMapLines('both 1000 1000\nuid 50-60 500-510'));
    using namespace = await createUserNamespace(userNamespaceRanges(merged, 'uid'), userNamespaceRanges(merged, 'gid'));
    expect(namespace.fd).toBeGreaterThan(0);
  });
});

test('maps that are cut differently but say the same are the same', () => {
  const cut = mergeIdMap(base, parseIdMapLines('uid 100010-100019 10-19'));
  expect(cut).toHaveLength(4);
  expect(sameIdMap(base, cut)).toBe(true);
  expect(sameIdMap(base, contiguousIdMap(100001, 65536))).toBe(false);
  expect(sameIdMap([], base)).toBe(false);
});

test('a stored map that is none is refused', () => {
  expect(parseIdMapJson('')).toEqual([]);
  expect(parseIdMapJson('[]')).toEqual([]);
  expect(() => parseIdMapJson('{')).toThrow('not JSON');
  expect(() => parseIdMapJson('[{"Isuid":true}]')).toThrow('Not an ID map');
});

describe('subordinate ids', () => {
  let etc: string;
  const users = ['first', 'second', 'root'];
  beforeEach(() => {
    etc = mkdtempSync(join(tmpdir(), 'host-subid-'));
    mkdirSync(join(etc, 'bin'));
  });
  afterEach(() => rmSync(etc, { recursive: true }));

  function setUp(present: string[], text = ''): Parameters<typeof subordinateIds>[0] {
    for (const name of present) {
      const program = name.startsWith('new');
      writeFileSync(join(etc, program ? 'bin' : '', name), program ? '' : text, { mode: 0o755 });
    }
    return { users, etc, path: `/nonexistent:${join(etc, 'bin')}` };
  }
  const all = ['subuid', 'subgid', 'newuidmap', 'newgidmap'];

  test('[09.IDM-03 03.139 01.26] the first user with entries decides, his first long enough range counts', async () => {
    const text = '# comment\nother:1:99999999\nsecond:500:10\nsecond:200000:65536\nroot:1000000:1000000000\n';
    const range = { start: 200000, size: 65536 };
    expect(await subordinateIds(setUp(all, text))).toEqual({ uid: range, gid: range });
  });

  test('[09.IDM-03 03.138] less than 65536 ids, or none, is an error that names file and users', async () => {
    await expect(subordinateIds(setUp(all, 'root:100000:65535\n'))).rejects.toThrow(
      `${etc}/subuid must give one of the users first, second, root a range of at least 65536 IDs, that of root is shorter`,
    );
    await expect(subordinateIds(setUp(all, ''))).rejects.toThrow('it has none');
  });

  test('[01.27] a larger minimum can be asked for', async () => {
    const options = setUp(all, 'root:100000:9999999\n');
    await expect(subordinateIds({ ...options, minimum: 10_000_000 })).rejects.toThrow('at least 10000000 IDs');
  });

  test('[09.IDM-04 03.140] some but not all of the four parts is a broken set-up', async () => {
    await expect(subordinateIds(setUp(['subuid', 'newuidmap', 'newgidmap'], 'root:1:65536'))).rejects.toThrow(
      `incomplete: ${etc}/subgid missing`,
    );
    rmSync(join(etc, 'subuid'));
    await expect(subordinateIds({ users, etc, path: join(etc, 'bin') })).rejects.toThrow('subuid and');
  });

  test('[09.IDM-04 03.139] with none of them a range is assumed', async () => {
    const range = { start: 1000000, size: 1000000000 };
    expect(await subordinateIds({ users, etc, path: join(etc, 'bin') })).toEqual({ uid: range, gid: range });
  });
});
