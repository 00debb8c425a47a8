/** Levenshtein's distance: how many letters to add, drop or change to get from one word to the other. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, left] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, right] of [...b].entries()) {
      const change = (row[j] ?? 0) + (left === right ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

/** The names that someone who typed `word` may have meant: at most two letters off, or beginning with it. */
export const suggestions = (word: string, names: readonly string[]): string[] => {
  const typed = word.toLowerCase();
  return names.filter((name) => distance(typed, name.toLowerCase()) <= 2 || name.toLowerCase().startsWith(typed));
};
