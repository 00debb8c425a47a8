/** One command of the tour, run with `lxc` in a work folder of its own. */
export interface Step {
  /** The words after `lxc`; quotes keep words together, `{name}` stands for what an earlier step saved. */
  readonly run: string;
  /** Its standard input. */
  readonly input?: string;
  /** Runs it on a terminal, and types each text half a second after the one that it waits for has appeared. */
  readonly terminal?: readonly { readonly after: string; readonly type: string }[];
  /** Keeps the first group of each pattern in the output for later steps. */
  readonly save?: Readonly<Record<string, RegExp>>;
  /** Repeats the command until its output matches; only the last output counts. */
  readonly until?: RegExp;
  /** Runs these while the command goes on, then interrupts it. */
  readonly during?: readonly Step[];
  /** The order of the output's lines, or of lists in JSON, is a matter of chance. */
  readonly unordered?: boolean;
  /** What the command makes under these names in the work folder counts as output, too. */
  readonly files?: readonly string[];
}

/**
 * Splits a command line into words at blanks; single or double quotes keep what is between them together.
 *
 * @throws Error when a quote is not closed
 */
export const words = (line: string): string[] => {
  const quoted = /'([^']*)'|"([^"]*)"/g;
  if (/['"]/.test(line.replaceAll(quoted, ''))) throw new Error(`A quote is not closed: ${line}`);
  return (line.match(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g) ?? []).map((word) =>
    word.replaceAll(quoted, (_, single?: string, double?: string) => single ?? double ?? ''),
  );
};
