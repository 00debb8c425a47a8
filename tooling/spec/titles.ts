/**
 * The statements that a title claims to prove: ids in square brackets at its very beginning, separated by spaces or
 * commas. `03.371-373` means 371 to 373, `09.API-02-04` means API-02 to API-04.
 *
 * @throws Error when the bracket holds what is neither an id nor a range
 */
export const idsOf = (title: string): string[] => {
  const bracket = title.match(/^\[(\d\d\.[^\]]*)\]/)?.[1];
  return bracket === undefined
    ? []
    : bracket
        .split(/[\s,]+/)
        .filter(Boolean)
        .flatMap((one) => expand(one, title));
};

const expand = (token: string, title: string): string[] => {
  const [, chapter, name = '', first, last] = token.match(/^(\d\d)\.([A-Z]+-)?(\d+)(?:-(\d+))?$/) ?? [];
  if (chapter === undefined || first === undefined)
    throw new Error(`"${token}" is no statement, in the title "${title}"`);
  const from = Number(first);
  const to = last === undefined ? from : Number(last);
  if (to < from) throw new Error(`"${token}" counts backwards, in the title "${title}"`);
  return Array.from({ length: to - from + 1 }, (_, n) =>
    name === '' ? `${chapter}.${from + n}` : `${chapter}.${name}${String(from + n).padStart(first.length, '0')}`,
  );
};
