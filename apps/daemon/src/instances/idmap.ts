import { badRequest, type Config, isTrue } from '@lxd-ts/driver-kit';
import { contiguousIdMap, type IdMap, idMapToJson, mergeIdMap, parseIdMapLines } from '@lxd-ts/host';

/** Ids an isolated container gets unless `security.idmap.size` says otherwise (spec 03.142). */
const isolatedSize = 65536;

/** The host ids in use by an isolated container. */
export interface UsedRange {
  readonly host: number;
  readonly size: number;
}

/** What the map of a container is chosen from. */
export interface IdMapChoice {
  /** The host's range for containers: contiguous, for uids and gids alike. */
  readonly range: UsedRange;
  /** Ranges of the other isolated containers; they count when `needsFreeIds`. */
  readonly used: readonly UsedRange[];
}

const integerOf = (value: string | undefined, fallback: number): number =>
  value === undefined || value === '' ? fallback : Number(value);

/** The first gap of `size` ids in the range, after the first 65536 that all other containers share. */
const freeBase = ({ range, used }: IdMapChoice, size: number): number => {
  let base = range.host + isolatedSize;
  for (const taken of [...used].sort((a, b) => a.host - b.host)) {
    if (base + size <= taken.host) break;
    base = Math.max(base, taken.host + taken.size);
  }
  if (base + size > range.host + range.size) {
    throw badRequest(
      `No free range of ${size} ids is left for an isolated container: enlarge the range of root in /etc/subuid and /etc/subgid`,
    );
  }
  return base;
};

/** Whether the map of a container depends on the ids that others have. @param config - expanded */
export const needsFreeIds = (config: Config): boolean =>
  isTrue(config['security.idmap.isolated']) && !config['security.idmap.base'];

/**
 * The id map of a container (spec 03 §15): the shared map, an isolated one, or the one it asks for, with `raw.idmap` merged in.
 *
 * @param config - expanded
 * @returns undefined for a privileged container
 * @throws LxdError bad-request when the host has too few ids or none are free
 */
export const chooseIdMap = (config: Config, choice: IdMapChoice): IdMap | undefined => {
  if (isTrue(config['security.privileged'])) return undefined;
  const isolated = isTrue(config['security.idmap.isolated']);
  const size = integerOf(config['security.idmap.size'], isolated ? isolatedSize : choice.range.size);
  const fixed = config['security.idmap.base'];
  if (size < 1 || size > choice.range.size) {
    throw badRequest(
      `Not enough uid/gid available for the container: it needs ${size} and the host allows ${choice.range.size} (see /etc/subuid and /etc/subgid)`,
    );
  }
  const kept = integerOf(config['volatile.idmap.base'], 0);
  const clashes = (base: number): boolean =>
    choice.used.some((taken) => base < taken.host + taken.size && taken.host < base + size);
  const host = fixed
    ? Number(fixed)
    : !isolated
      ? choice.range.host
      : kept > 0 && !clashes(kept)
        ? kept
        : freeBase(choice, size);
  const base: IdMap = contiguousIdMap(host, size);
  return config['raw.idmap'] ? mergeIdMap(base, parseIdMapLines(config['raw.idmap'])) : base;
};

/** The JSON form kept in `volatile.idmap.*`; `[]` for a privileged container. */
export const renderIdMap = (idmap: IdMap | undefined): string => JSON.stringify(idMapToJson(idmap ?? []));
