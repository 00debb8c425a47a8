import { type Difference, lineDifference } from './compare.ts';

/** Lines that may be only on one side, wherever they are: what LXD learnt between 5.0.2 and 5.15, or what 5.0.2 got wrong. */
export const wantedLines: readonly { readonly line: RegExp; readonly reason: string }[] = [
  {
    line: /volatile\.last_state\.idmap/,
    reason:
      'ours maps ids by the mount where the kernel can, so that those on disk stay as they are; 5.0.2 rewrites them',
  },
  { line: /^[+] +"total": "<count>"$/, reason: '5.15 tells how much memory an instance may use' },
  { line: /volatile\.uuid\.generation/, reason: '5.15 has this key, 5.0.2 does not know it' },
];

/** Steps that may differ as a whole. */
export const wantedSteps: readonly {
  /** The command line after `lxc`. */
  readonly step: string;
  readonly part: Difference['part'];
  /** What must be in our text for the difference to be the wanted one. */
  readonly found: RegExp;
  readonly reason: string;
}[] = [];

/**
 * What remains of a difference when the wanted lines are left out: the lines as `- expected` and `+ found`; empty
 * when all of it is wanted.
 */
export const unwantedLines = (difference: Difference): string[] => {
  const { step, part, expected, found } = difference;
  if (wantedSteps.some((one) => step.endsWith(`: lxc ${one.step}`) && one.part === part && one.found.test(found)))
    return [];
  return lineDifference(expected, found).filter((line) => !wantedLines.some((one) => one.line.test(line)));
};
