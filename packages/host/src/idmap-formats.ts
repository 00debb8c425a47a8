import { checkIdMap, entriesFor, type IdKind, type IdMap, type IdMapEntry, IdMapError } from './idmap.ts';
import type { IdRange } from './user-namespace.ts';

/** The JSON form in which maps are stored and sent. */
export interface IdMapJsonEntry {
  Isuid: boolean;
  Isgid: boolean;
  Hostid: number;
  Nsid: number;
  Maprange: number;
}

const kinds: readonly string[] = ['uid', 'gid', 'both'] satisfies IdMapEntry['kind'][];

function isKind(word: string): word is IdMapEntry['kind'] {
  return kinds.includes(word);
}

function parseRange(text: string, line: string): { start: number; size: number } {
  const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(text);
  const start = Number(match?.[1]);
  const end = Number(match?.[2] ?? match?.[1]);
  if (!match || end < start) throw new IdMapError(`Invalid ID range "${text}" in ID map line "${line}"`);
  return { start, size: end - start + 1 };
}

function parseLine(line: string): IdMapEntry {
  const [kind = '', hostText, containerText, ...more] = line.split(' ');
  if (hostText === undefined || containerText === undefined || more.length > 0) {
    throw new IdMapError(`Invalid ID map line "${line}": expected "both|uid|gid HOST CONTAINER"`);
  }
  if (!isKind(kind)) throw new IdMapError(`Invalid ID map type in "${line}": allowed are both, uid and gid`);
  const host = parseRange(hostText, line);
  const container = parseRange(containerText, line);
  if (host.size !== container.size) throw new IdMapError(`The ID map ranges are of different sizes "${line}"`);
  return { kind, host: host.start, container: container.start, size: host.size };
}

/**
 * Parses lines of `both|uid|gid HOST CONTAINER`, where HOST and CONTAINER are single ids or ranges of equal length
 * (`uid 50-60 500-510`). Empty lines are skipped, repeated ones count once.
 *
 * @throws IdMapError that quotes the line
 */
export function parseIdMapLines(text: string): IdMapEntry[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const entries = [...new Set(lines)].map(parseLine);
  checkIdMap(entries);
  return entries;
}

/** The map in the values of liblxc's `lxc.idmap` (lxc.container.conf(5)): `u 0 100000 65536`, without repetitions. */
export function lxcIdMap(map: IdMap): string[] {
  const letters = { uid: ['u'], gid: ['g'], both: ['u', 'g'] };
  const values = map.flatMap(({ kind, host, container, size }) =>
    letters[kind].map((letter) => `${letter} ${container} ${host} ${size}`),
  );
  return [...new Set(values)];
}

/** The map in its JSON form; no map (privileged) gives an empty list. */
export function idMapToJson(map: IdMap): IdMapJsonEntry[] {
  return map.map(({ kind, host, container, size }) => ({
    Isuid: kind !== 'gid',
    Isgid: kind !== 'uid',
    Hostid: host,
    Nsid: container,
    Maprange: size,
  }));
}

function isJsonEntry(value: unknown): value is IdMapJsonEntry {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return (
    ['Isuid', 'Isgid'].every((name) => typeof fields.get(name) === 'boolean') &&
    ['Hostid', 'Nsid', 'Maprange'].every((name) => Number.isSafeInteger(fields.get(name))) &&
    (fields.get('Isuid') === true || fields.get('Isgid') === true)
  );
}

/**
 * Reads the JSON text of a stored map. The empty text is the empty map.
 * @throws IdMapError when it is something else
 */
export function parseIdMapJson(text: string): IdMapEntry[] {
  if (text === '') return [];
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw new IdMapError(`The ID map is not JSON: ${text}`, { cause });
  }
  if (list === null) return [];
  if (!Array.isArray(list) || !list.every(isJsonEntry)) throw new IdMapError(`Not an ID map: ${text}`);
  return list.map(({ Isuid, Isgid, Hostid, Nsid, Maprange }) => ({
    kind: Isuid && Isgid ? 'both' : Isuid ? 'uid' : 'gid',
    host: Hostid,
    container: Nsid,
    size: Maprange,
  }));
}

/** The ranges of one kind for a user namespace. */
export function userNamespaceRanges(map: IdMap, kind: IdKind): IdRange[] {
  return entriesFor(map, kind).map(({ host, container, size }) => ({ inside: container, outside: host, size }));
}
