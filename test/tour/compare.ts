import type { Output } from '../support/output.ts';
import { normalise } from './normalise.ts';

/** What one step said in the two places, where it differs. */
export interface Difference {
  readonly step: string;
  readonly part: 'exit code' | 'standard output' | 'standard error' | 'wording of the error';
  readonly expected: string;
  readonly found: string;
}

/**
 * Compares what a step said. Error sentences need not be the same words, but a failure must be a failure, told on
 * standard error beginning with `Error: `; other words are reported as a difference of wording.
 */
export const compare = (
  step: string,
  expected: Output,
  found: Output,
  { unordered = false, terminal = false } = {},
): Difference[] => {
  const differences: Difference[] = [];
  const add = (part: Difference['part'], one: string, other: string) => {
    if (one !== other) differences.push({ step, part, expected: one, found: other });
  };
  // What a program draws on a terminal and what is echoed mixes by chance as to empty lines.
  const text = ({ stdout }: Output) => {
    const steady = normalise(stdout, unordered);
    return terminal ? steady.replaceAll(/\n+/g, '\n') : steady;
  };
  add('exit code', String(expected.code), String(found.code));
  add('standard output', text(expected), text(found));
  const [wanted, said] = [normalise(expected.stderr), normalise(found.stderr)];
  const bothErrors = /^Error: /m.test(wanted) && /^Error: /m.test(said);
  add(bothErrors ? 'wording of the error' : 'standard error', wanted, said);
  return differences;
};

/** The lines that are only in the one (-) or only in the other (+), with all others left out; a longest-common-subsequence diff. */
export const lineDifference = (expected: string, found: string): string[] => {
  const [a, b] = [expected.split('\n'), found.split('\n')];
  const lengths = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = lengths[i];
      if (row) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i++;
      j++;
    } else if (j < b.length && (i === a.length || at(i, j + 1) >= at(i + 1, j))) lines.push(`+ ${b[j++]}`);
    else lines.push(`- ${a[i++]}`);
  }
  return lines;
};
