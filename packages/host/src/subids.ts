import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from './errno.ts';
import { IdMapError } from './idmap.ts';
import { findProgram } from './programs.ts';

/** Host ids that may be handed out. */
export interface SubordinateRange {
  start: number;
  size: number;
}

export interface SubordinateIds {
  uid: SubordinateRange;
  gid: SubordinateRange;
}

export interface SubordinateIdOptions {
  /** Whose entries count: the first of these users who has any. */
  users: readonly string[];
  /** A range must have at least this many ids. */
  minimum?: number;
  /** Where subuid and subgid are. */
  etc?: string;
  /** Where newuidmap and newgidmap are searched, in the form of $PATH. */
  path?: string;
}

const MINIMUM = 65536;
const ASSUMED: SubordinateRange = { start: 1_000_000, size: 1_000_000_000 };

/** Parses the lines `user:start:count` of subuid(5); malformed ones and comments are skipped as the tools do. */
export function parseSubordinateIds(text: string): { user: string; start: number; size: number }[] {
  return [...text.matchAll(/^([^:#\s][^:]*):(\d+):(\d+)\s*$/gm)].map(([, user = '', start, size]) => ({
    user,
    start: Number(start),
    size: Number(size),
  }));
}

async function readIfPresent(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
}

function choose(text: string, file: string, options: SubordinateIdOptions): SubordinateRange {
  const { users, minimum = MINIMUM } = options;
  const entries = parseSubordinateIds(text);
  const user = users.find((name) => entries.some((entry) => entry.user === name));
  const ranges = entries.filter((entry) => entry.user === user);
  const range = ranges.find(({ size }) => size >= minimum);
  if (range) return { start: range.start, size: range.size };
  const wanted = `${file} must give one of the users ${users.join(', ')} a range of at least ${minimum} IDs`;
  throw new IdMapError(ranges.length === 0 ? `${wanted}, it has none` : `${wanted}, that of ${user} is shorter`);
}

/**
 * Finds the host ids that user namespaces may use, by subuid(5) and subgid(5).
 *
 * When none of /etc/subuid, /etc/subgid, newuidmap and newgidmap exists, nobody administers such ids here and
 * 1,000,000,000 from 1,000,000 on are assumed.
 *
 * @throws IdMapError when only some of the four exist, or no entry is long enough
 */
export async function subordinateIds(options: SubordinateIdOptions): Promise<SubordinateIds> {
  const { etc = '/etc', path = process.env.PATH ?? '' } = options;
  const [subuid, subgid, newuidmap, newgidmap] = await Promise.all([
    readIfPresent(join(etc, 'subuid')),
    readIfPresent(join(etc, 'subgid')),
    findProgram('newuidmap', path),
    findProgram('newgidmap', path),
  ]);
  if (subuid === undefined && subgid === undefined && !newuidmap && !newgidmap) return { uid: ASSUMED, gid: ASSUMED };
  if (subuid === undefined || subgid === undefined || !newuidmap || !newgidmap) {
    const missing = [
      ...(subuid === undefined ? [join(etc, 'subuid')] : []),
      ...(subgid === undefined ? [join(etc, 'subgid')] : []),
      ...(newuidmap ? [] : ['newuidmap']),
      ...(newgidmap ? [] : ['newgidmap']),
    ];
    throw new IdMapError(`The set-up of subordinate IDs is incomplete: ${missing.join(' and ')} missing`);
  }
  return {
    uid: choose(subuid, join(etc, 'subuid'), options),
    gid: choose(subgid, join(etc, 'subgid'), options),
  };
}
