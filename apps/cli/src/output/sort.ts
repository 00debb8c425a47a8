const chunks = (text: string): string[] => text.match(/\d+|\D+/g) ?? [];

/** Compares texts as people do: numbers inside them by value, so that `c9` stands before `c10`. */
export const compareNaturally = (a: string, b: string): number => {
  const left = chunks(a);
  const right = chunks(b);
  for (const [index, x] of left.entries()) {
    const y = right[index];
    if (y === undefined) return 1;
    if (x === y) continue;
    const bothNumbers = /^\d/.test(x) && /^\d/.test(y);
    const difference = bothNumbers ? Number(x) - Number(y) : x < y ? -1 : 1;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
};

/** Compares rows cell by cell in natural order; empty cells come last. */
export const compareRows = (a: readonly string[], b: readonly string[]): number => {
  for (const [index, x] of a.entries()) {
    const y = b[index] ?? '';
    if (x === y) continue;
    if (x === '') return 1;
    if (y === '') return -1;
    return compareNaturally(x, y);
  }
  return 0;
};
