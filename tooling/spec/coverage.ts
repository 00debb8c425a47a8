import type { TestResult } from '../test/results.ts';
import type { Chapter, Statement } from './statements.ts';
import { idsOf } from './titles.ts';

export interface Coverage {
  /** Per chapter, in order. */
  readonly chapters: readonly { chapter: Chapter; proven: number; missing: readonly Statement[] }[];
  /** Ids in titles that no chapter has, with one title that names each. */
  readonly unknown: ReadonlyMap<string, string>;
}

/**
 * Which statements are proven. One is when some test that names it, by its own title or that of a group around it,
 * passed, and none that names it failed.
 */
export const cover = (chapters: readonly Chapter[], results: readonly TestResult[]): Coverage => {
  const passed = new Set<string>();
  const failed = new Set<string>();
  const unknown = new Map<string, string>();
  const known = new Set(chapters.flatMap((chapter) => chapter.statements.map((one) => one.id)));
  for (const { titles, state } of results) {
    for (const title of titles) {
      for (const id of idsOf(title)) {
        if (!known.has(id)) unknown.set(id, title);
        else if (state === 'passed') passed.add(id);
        else if (state === 'failed') failed.add(id);
      }
    }
  }
  const isProven = ({ id }: Statement) => passed.has(id) && !failed.has(id);
  return {
    chapters: chapters.map((chapter) => {
      const missing = chapter.statements.filter((one) => !isProven(one));
      return { chapter, proven: chapter.statements.length - missing.length, missing };
    }),
    unknown,
  };
};
