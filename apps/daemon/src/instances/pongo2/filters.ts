import { formatGoLayout } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import { isList, isMap, isTruthy, keysOf, lengthOf, memberOf, numberOf, textOf, type Value } from './value.ts';

/** A filter: what stands before the bar, and the argument after the colon. */
type Filter = (value: Value, argument: Value) => Value;

const onText =
  (change: (text: string, argument: string) => string): Filter =>
  (value, argument) =>
    change(textOf(value), textOf(argument));

const capitalize = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

const itemsOf = (value: Value): readonly Value[] => {
  if (isList(value)) return value;
  return isMap(value) ? keysOf(value) : [...textOf(value)];
};

/** Cuts `from:to` out of a list or text; either end may be left out, negative ones count from the end. */
const slice: Filter = (value, argument) => {
  const [from = '', to = ''] = textOf(argument).split(':');
  const range = [from === '' ? 0 : Number(from), to === '' ? undefined : Number(to)] as const;
  return isList(value) ? value.slice(...range) : [...textOf(value)].slice(...range).join('');
};

const date: Filter = (value, argument) => {
  const time = value instanceof Date ? value : new Date(typeof value === 'number' ? value * 1000 : textOf(value));
  if (Number.isNaN(time.getTime())) throw badRequest(`The template filter "date" needs a time, not "${textOf(value)}"`);
  return formatGoLayout(time, textOf(argument));
};

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** The filters of Pongo2 (Django's, by the same names) that make sense in configuration files. */
const filters: Readonly<Record<string, Filter>> = {
  add: (value, argument) =>
    typeof value === 'number' && typeof argument === 'number' ? value + argument : textOf(value) + textOf(argument),
  addslashes: onText((text) => text.replace(/["'\\]/g, '\\$&')),
  capfirst: onText(capitalize),
  cut: onText((text, part) => text.replaceAll(part, '')),
  date,
  default: (value, argument) => (isTruthy(value) ? value : argument),
  default_if_none: (value, argument) => (value === undefined ? argument : value),
  divisibleby: (value, argument) => numberOf(argument) !== 0 && numberOf(value) % numberOf(argument) === 0,
  escape: onText((text) => text.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign)),
  first: (value) => itemsOf(value)[0],
  float: (value) => numberOf(value),
  floatformat: (value, argument) => numberOf(value).toFixed(Math.abs(argument === undefined ? 1 : numberOf(argument))),
  integer: (value) => Math.trunc(numberOf(value)),
  join: (value, argument) => (isList(value) ? value.map(textOf).join(textOf(argument)) : value),
  last: (value) => itemsOf(value).at(-1),
  length: (value) => lengthOf(value),
  length_is: (value, argument) => lengthOf(value) === numberOf(argument),
  ljust: onText((text, width) => text.padEnd(Number(width))),
  lower: onText((text) => text.toLowerCase()),
  pluralize: (value, argument) => {
    const [one, many] = argument === undefined ? ['', 's'] : `,${textOf(argument)}`.split(',').slice(-2);
    return numberOf(value) === 1 ? one : many;
  },
  removetags: onText((text) => text.replace(/<[^>]*>/g, '')),
  rjust: onText((text, width) => text.padStart(Number(width))),
  safe: (value) => value,
  slice,
  split: (value, argument) => textOf(value).split(textOf(argument)),
  stringformat: (value, argument) => textOf(argument).replace(/%[-+ 0]*\d*(?:\.\d+)?[sdvxq]/, () => textOf(value)),
  striptags: onText((text) => text.replace(/<[^>]*>/g, '').trim()),
  time: date,
  title: onText((text) => text.toLowerCase().replace(/\S+/g, capitalize)),
  truncatechars: onText((text, length) =>
    [...text].length > Number(length) ? `${[...text].slice(0, Math.max(0, Number(length) - 3)).join('')}...` : text,
  ),
  upper: onText((text) => text.toUpperCase()),
  urlencode: onText((text) => encodeURIComponent(text).replaceAll('%20', '+')),
  wordcount: (value) => textOf(value).split(/\s+/).filter(Boolean).length,
  yesno: (value, argument) => {
    const [yes = 'yes', no = 'no', maybe = no] =
      argument === undefined ? ['yes', 'no', 'maybe'] : textOf(argument).split(',');
    return value === undefined ? maybe : isTruthy(value) ? yes : no;
  },
  get_digit: (value, argument) => memberOf([...textOf(value)].reverse(), numberOf(argument) - 1) ?? value,
};

/** Finds a filter. @throws LxdError bad-request when there is none of that name */
export const findFilter = (name: string): Filter => {
  const filter = Object.hasOwn(filters, name) ? filters[name] : undefined;
  if (!filter) throw badRequest(`Unknown template filter "${name}": use one of ${Object.keys(filters).join(', ')}`);
  return filter;
};
