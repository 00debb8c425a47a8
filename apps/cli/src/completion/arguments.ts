/** One argument of a usage line. */
export interface Argument {
  /** What it is made of, parted by slashes: `<pool>/<volume>[/<snapshot>]` has three parts. */
  parts: string[];
  /** Whether a remote may stand before it. */
  remote: boolean;
  /** Whether it may be given several times. */
  repeats: boolean;
  /** Whether it may be left out though others follow: `[<remote>:][<instance>] <key>`. */
  optional: boolean;
  /** Whether it is a setting: `<key>=<value>`. */
  setting: boolean;
}

/** The words of a usage line; blanks inside angle brackets part nothing. */
const wordsOf = (use: string): string[] => use.match(/(?:<[^>]*>|[^\s<])+/g) ?? [];

/** The arguments of a usage line in their order: `[<remote>:]<pool> <volume>` gives pool and volume. */
export const argumentsOf = (use: string): Argument[] =>
  wordsOf(use)
    .filter((word) => word.includes('<'))
    .map((word) => {
      const names = [...word.matchAll(/<([^>]+)>/g)].map(([, name = '']) => name);
      const isRemote = (name: string): boolean => name === 'remote' || name === 'remote:';
      return {
        parts: names.filter((name) => !isRemote(name) || names.length === 1),
        remote: /<remote>:|<remote:>/.test(word),
        repeats: word.includes('...'),
        optional: /^\[<remote>:\]\[/.test(word),
        setting: word.includes('>='),
      };
    });

/** What an argument that is typed already tells: the names of its parts with what stands for each. */
export const readArgument = ({ parts }: Argument, text: string): Record<string, string> => {
  const texts = text.slice(text.indexOf(':') + 1).split('/');
  return Object.fromEntries(parts.flatMap((part, index) => (texts[index] ? [[part, texts[index]] as const] : [])));
};
