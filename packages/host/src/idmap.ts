/** Which ids a map entry is about. */
export type IdKind = 'uid' | 'gid';

/** One range of ids: `size` ids from `container` on, as seen inside, are `host` and following on the host. */
export interface IdMapEntry {
  kind: IdKind | 'both';
  host: number;
  container: number;
  size: number;
}

/** A map of user and group ids. The order is kept; ranges of one kind do not overlap on either side. */
export type IdMap = readonly IdMapEntry[];

/** A map, or a text that describes one, that cannot be used. The message names the offending part. */
export class IdMapError extends Error {
  override readonly name = 'IdMapError';
}

const MAX_ID = 0xffff_fffe;

function sameEntry(a: IdMapEntry, b: IdMapEntry): boolean {
  return a.kind === b.kind && a.host === b.host && a.container === b.container && a.size === b.size;
}

/** The entries of a map that count for one kind, each once. */
export function entriesFor(map: IdMap, kind: IdKind): IdMapEntry[] {
  const entries = map.filter((entry) => entry.kind === kind || entry.kind === 'both');
  // A merged map repeats a `both` entry among the users and among the groups.
  return entries.filter((entry, index) => entries.findIndex((other) => sameEntry(entry, other)) === index);
}

/** Writes an entry as users do: `both 1000 1000`, `uid 50-60 500-510`. */
export function formatIdMapEntry({ kind, host, container, size }: IdMapEntry): string {
  const range = (start: number) => (size === 1 ? `${start}` : `${start}-${start + size - 1}`);
  return `${kind} ${range(host)} ${range(container)}`;
}

/** A map of one range for users and one for groups, starting at id 0 inside. */
export function contiguousIdMap(host: number, size: number): IdMapEntry[] {
  return [
    { kind: 'uid', host, container: 0, size },
    { kind: 'gid', host, container: 0, size },
  ];
}

/** The id on the host for an id inside; undefined when it is not mapped. */
export function toHostId(map: IdMap, kind: IdKind, id: number): number | undefined {
  const entry = entriesFor(map, kind).find(({ container, size }) => id >= container && id < container + size);
  return entry && id - entry.container + entry.host;
}

/** The id inside for an id on the host; undefined when it is not mapped. */
export function toContainerId(map: IdMap, kind: IdKind, id: number): number | undefined {
  const entry = entriesFor(map, kind).find(({ host, size }) => id >= host && id < host + size);
  return entry && id - entry.host + entry.container;
}

/** Says whether two maps translate all ids alike; the order of entries and how they are cut do not matter to it. */
export function sameIdMap(a: IdMap, b: IdMap): boolean {
  const normal = (map: IdMap) => JSON.stringify([joined(map, 'uid'), joined(map, 'gid')]);
  return normal(a) === normal(b);
}

function joined(map: IdMap, kind: IdKind): Omit<IdMapEntry, 'kind'>[] {
  const sorted = entriesFor(map, kind)
    .map(({ host, container, size }) => ({ host, container, size }))
    .sort((x, y) => x.container - y.container);
  const ranges: Omit<IdMapEntry, 'kind'>[] = [];
  for (const range of sorted) {
    const last = ranges.at(-1);
    if (last && last.container + last.size === range.container && last.host + last.size === range.host) {
      last.size += range.size;
    } else ranges.push(range);
  }
  return ranges;
}

function overlap(a: IdMapEntry, b: IdMapEntry, side: 'host' | 'container'): boolean {
  return a[side] < b[side] + b.size && b[side] < a[side] + a.size;
}

/**
 * Checks what the kernel demands of a map (user_namespaces(7)): every id at most once on each side.
 * @throws IdMapError that names both entries
 */
export function checkIdMap(map: IdMap): void {
  for (const entry of map) {
    if (entry.size < 1 || entry.host + entry.size - 1 > MAX_ID || entry.container + entry.size - 1 > MAX_ID) {
      throw new IdMapError(`ID map entry "${formatIdMapEntry(entry)}" is not a range of IDs from 0 to ${MAX_ID}`);
    }
  }
  for (const kind of ['uid', 'gid'] as const) {
    const entries = entriesFor(map, kind);
    for (const [index, a] of entries.entries()) {
      const b = entries.slice(0, index).find((other) => overlap(a, other, 'host') || overlap(a, other, 'container'));
      if (!b) continue;
      const side = overlap(a, b, 'container') ? 'inside' : 'on the host';
      throw new IdMapError(
        `ID map entries "${formatIdMapEntry(b)}" and "${formatIdMapEntry(a)}" map the same ${kind} ${side}`,
      );
    }
  }
}

/** What is left of a range when the ids that another takes inside are cut out. */
function without(entry: IdMapEntry, cut: IdMapEntry): IdMapEntry[] {
  if (!overlap(entry, cut, 'container')) return [entry];
  const before = cut.container - entry.container;
  const after = entry.container + entry.size - (cut.container + cut.size);
  const skipped = entry.size - after;
  return [
    ...(before > 0 ? [{ ...entry, size: before }] : []),
    ...(after > 0 ? [{ ...entry, host: entry.host + skipped, container: entry.container + skipped, size: after }] : []),
  ];
}

/**
 * Puts custom entries into a base map: they take their ids inside away from the base ranges, which are split around them.
 * The result lists users first, then groups, each in order of ids inside; a `both` entry appears in each.
 *
 * @throws IdMapError when the outcome maps an id twice
 */
export function mergeIdMap(base: IdMap, custom: IdMap): IdMapEntry[] {
  const merged = (['uid', 'gid'] as const).map((kind) => {
    const cuts = entriesFor(custom, kind);
    const rest = cuts.reduce(
      (entries, cut) => entries.flatMap((entry) => without(entry, cut)),
      entriesFor(base, kind).map((entry): IdMapEntry => ({ ...entry, kind })),
    );
    const entries = [...rest, ...cuts].sort((a, b) => a.container - b.container);
    checkIdMap(entries.map((entry) => ({ ...entry, kind })));
    return entries;
  });
  return merged.flat();
}
