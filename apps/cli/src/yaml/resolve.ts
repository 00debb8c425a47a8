/**
 * What a plain YAML 1.1 scalar means, by the rules of Go's yaml.v2, which the reference client prints with:
 * a text that would be read back as something else must be quoted.
 */

const words = new Set(
  ['y Y yes Yes YES true True TRUE on On ON n N no No NO false False FALSE off Off OFF', '~ null Null NULL']
    .concat(['.nan .NaN .NAN .inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF'])
    .flatMap((line) => line.split(' ')),
);
const decimal = /^[-+]?(0|[1-9]\d*)$/;
const prefixed = /^[-+]?0(?:[xX][0-9a-fA-F]+|[oO]?[0-7]+|[bB][01]+)$/;
const float = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
const sexagesimal = /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/;
const timestamp =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?)?$/;

const isTimestamp = (text: string): boolean => {
  const parts = timestamp.exec(text);
  if (parts === null) return false;
  const [year = 0, month = 0, day = 0] = parts.slice(1, 4).map(Number);
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
};

/** Whether a plain scalar would be read back as a boolean, null, number or time instead of text. */
export const isOtherThanText = (text: string): boolean => {
  if (text === '' || words.has(text) || sexagesimal.test(text)) return true;
  if (!/^[-+.\d]/.test(text)) return false;
  const bare = text.replaceAll('_', '');
  return decimal.test(bare) || prefixed.test(bare) || float.test(bare) || isTimestamp(text);
};
