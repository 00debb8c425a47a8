const isLetter = (char: string): boolean => /\p{L}/u.test(char);
const isDigit = (char: string | undefined): boolean => char !== undefined && /\p{Nd}/u.test(char);

/** The number that stands at `from`, where it ends, both as yaml.v2 counts them. */
const numberAt = (chars: readonly string[], from: number, start: bigint): [value: bigint, end: number] => {
  let value = start;
  let end = from;
  for (; isDigit(chars[end]); end++) value = value * 10n + BigInt(Number(chars[end]));
  return [value, end];
};

/** Compares mapping keys in yaml.v2's natural order: punctuation, then numbers by value, then letters. */
export const compareKeys = (left: string, right: string): number => {
  const a = [...left];
  const b = [...right];
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a[i] ?? '';
    const y = b[i] ?? '';
    if (x === y) continue;
    const xLetter = isLetter(x);
    const yLetter = isLetter(y);
    if (xLetter !== yLetter) return yLetter ? -1 : 1;
    if (!xLetter) {
      let carried = 0n;
      if (x === '0' || y === '0') {
        for (let j = i - 1; j >= 0 && isDigit(a[j]); j--) {
          if (a[j] !== '0') {
            carried = 1n;
            break;
          }
        }
      }
      const [xValue, xEnd] = numberAt(a, i, carried);
      const [yValue, yEnd] = numberAt(b, i, carried);
      if (xValue !== yValue) return xValue < yValue ? -1 : 1;
      if (xEnd !== yEnd) return xEnd - yEnd;
    }
    return (x.codePointAt(0) ?? 0) - (y.codePointAt(0) ?? 0);
  }
  return a.length - b.length;
};
