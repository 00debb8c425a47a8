type Stand = string | ((match: string) => string);

/** What differs from run to run, and what stands for it. The order matters: longer things first. */
const volatile: readonly (readonly [RegExp, Stand])[] = [
  [/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g, '<certificate>'],
  [/\/tmp\/lxd-ts-test\/[0-9a-z]+/g, '<folder>'],
  [/\b[A-Za-z0-9+/]{60,}={0,2}/g, (match) => (/^[0-9a-f]{64}$/.test(match) ? '<fingerprint>' : '<token>')],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uuid>'],
  [/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, '<mac>'],
  [/\b[0-9a-f]{12}\b/g, '<short fingerprint>'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, '<time>'],
  [/\b\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: [+-]\d{4})?(?: UTC)?/g, '<time>'],
  [/\b[A-Z][a-z]{2} \d{1,2}, \d{4} at \d{1,2}:\d\d(?:am|pm) \(UTC\)/g, '<time>'],
  [/\bveth[0-9a-f]{8}\b/g, '<veth>'],
  [/\bfe80::[0-9a-f:]+/g, '<link-local address>'],
  // The bridge itself is no matter of chance.
  [/\b10\.88\.0\.(?!(?:0|1)\b)\d+/g, '<address>'],
  [/("?\bpid"?: )-?\d+/gi, '$1<pid>'],
  [/(\bprocesses"?: )-?\d+/gi, '$1<count>'],
  [/(\b(?:usage|usage_peak|total|(?:bytes|packets)_(?:received|sent))"?: )\d+/g, '$1<count>'],
  [/(\b(?:Bytes|Packets) (?:received|sent): )\d+(?:\.\d+)?(?:[kKMG]?i?B)?/g, '$1<count>'],
  [/(\b(?:CPU usage \(in seconds\)|Memory \((?:current|peak)\)): )\d+(?:\.\d+)?(?:[kKMG]?i?B)?/g, '$1<count>'],
  [/("?\bsize"?: )\d+/g, '$1<size>'],
  [/\b\d+(?:\.\d+)?(?:[kKMG]i?B|B)\b/g, '<size>'],
];

/** What a terminal would show of text with carriage returns: each line as it was last overwritten. */
const settled = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.replace(/\r+$/, '').split('\r').at(-1)?.trimEnd() ?? '')
    .join('\n')
    .trimEnd();

/** JSON with sorted keys, one value a line; `unordered` sorts lists as well. */
const sorted = (value: unknown, unordered: boolean): unknown => {
  if (Array.isArray(value)) {
    const items: unknown[] = value.map((one) => sorted(one, unordered));
    return unordered ? items.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))) : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([key, inner]) => [key, sorted(inner, unordered)]),
  );
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Most commands do not print JSON.
  }
};

/** JSON values one a line, as a list. */
const parseLines = (text: string): unknown => parse(`[${text.split('\n').filter(Boolean).join(',')}]`);

const stand = (text: string): string =>
  volatile.reduce(
    (rest, [pattern, by]) => (typeof by === 'string' ? rest.replaceAll(pattern, by) : rest.replaceAll(pattern, by)),
    text,
  );

/**
 * The text with placeholders for all that differs from run to run. Where there is any, tables lose their padding, since
 * column widths follow the contents. JSON is laid out one value a line. `unordered` sorts lines, or lists in JSON.
 */
export const normalise = (text: string, unordered = false): string => {
  const plain = settled(text);
  const json = /^[[{]/.test(plain) ? (parse(plain) ?? parseLines(plain)) : undefined;
  if (json !== undefined) {
    const steady: unknown = JSON.parse(stand(JSON.stringify(json, null, 1)).replaceAll(/: (<[a-z ]+>)/g, ': "$1"'));
    // Without commas, so that a line tells the same whether or not another follows.
    return JSON.stringify(sorted(steady, unordered), null, 1).replaceAll(/,$/gm, '');
  }
  const replaced = stand(plain);
  const even =
    replaced === plain
      ? plain
      : replaced
          .replaceAll(/-{2,}/g, '--')
          .replaceAll(/ {2,}(?=\S)(?!- )/g, '  ')
          .replaceAll(/ +\|/g, ' |');
  return unordered ? even.split('\n').sort().join('\n') : even;
};
