import { type Difference, lineDifference } from './compare.ts';

/** Lines that may be only on one side, wherever they are: what LXD learnt between 5.0.2 and 5.15, or what 5.0.2 got wrong. */
export const wantedLines: readonly { readonly line: RegExp; readonly reason: string }[] = [
  {
    line: /volatile\.last_state\.idmap/,
    reason:
      'ours maps ids by the mount where the kernel can, so that those on disk stay as they are; 5.0.2 rewrites them',
  },
  {
    line: /^[+] c1:\/# .\[J$/,
    reason: "the console takes on the size of the client's window, upon which the shell draws its prompt again",
  },
  { line: /^[+] +(?:"total": "<count>"|total: <count>)$/, reason: '5.15 tells how much memory an instance may use' },
  {
    line: /^[+-] (?:If this is your first time running LXD|To start your first container|Or for a virtual machine|Where that image server)/,
    reason: 'the hint at the first use is for people: ours comes at the first use on a terminal, in words of its own',
  },
  {
    line: /^[+] (?:If this is your first time running LXD|To start your first container, try|Where that image server is out of reach)/,
    reason: 'the hint at the first use is for people: it comes at the first use of a terminal',
  },
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
}[] = [
  {
    step: 'config edit c2',
    part: 'exit code',
    found: /^0$/,
    reason:
      'LXD 5.0 refuses an edit that leaves out keys which the server keeps; here they stay, whatever the edit says',
  },
  { step: 'config edit c2', part: 'standard error', found: /^$/, reason: 'as its exit code' },
  { step: 'config show c2', part: 'standard output', found: /user\.color: red/, reason: 'the edit before it was made' },
  {
    step: 'config show imported',
    part: 'standard output',
    found: /volatile\.last_state\.idmap/,
    reason: 'the state of a run that is over is not carried into an import',
  },
  {
    step: 'warning list --format=csv',
    part: 'standard error',
    found: /^$/,
    reason: 'the hint at the first use is for people: ours comes at the first use on a terminal',
  },
  {
    step: 'warning list --format=csv',
    part: 'standard output',
    found: /^$/,
    reason: 'what this host lacks is told in the log and by GET /1.0, not as warnings that come back at every start',
  },
];

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
