import type { LxdEvent } from '@lxd-ts/client';
import { isRecord } from '../yaml/shape.ts';

/** From the gravest to the least, in logrus's words; a level shows itself and all graver ones. */
const levels = ['panic', 'fatal', 'error', 'warning', 'info', 'debug', 'trace'];

/** How grave a level is, 0 the gravest; -1 for a word that is none. */
export const levelOf = (name: string): number => levels.indexOf(name === 'warn' ? 'warning' : name);

/** What is shown of an event, before it is laid out. */
interface Entry {
  level: string;
  time: string;
  message: string;
  fields: Record<string, unknown>;
}

const time = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)Z$/;

/** A value as Go prints it with `%v`, since scripts read these lines: `map[a:1 b:[x y]]`, times with blanks. */
const plain = (value: unknown): string => {
  if (value === null || value === undefined) return 'map[]';
  if (Array.isArray(value)) return `[${value.map(plain).join(' ')}]`;
  if (!isRecord(value)) return String(value).replace(time, '$1 $2 +0000 UTC');
  const inner = Object.keys(value)
    .sort()
    .map((key) => `${key}:${plain(value[key])}`);
  return `map[${inner.join(' ')}]`;
};

const quoted = (value: unknown): string => {
  const text = plain(value);
  return /^[A-Za-z0-9._/@^+-]*$/.test(text) ? text : JSON.stringify(text);
};

/** The colour of a level as a number of the terminal's. */
const colour = (level: string): number => {
  const grave = levelOf(level);
  if (grave <= levelOf('error')) return 31;
  if (grave === levelOf('warning')) return 33;
  return grave === levelOf('info') ? 36 : 37;
};

const sorted = (fields: Record<string, unknown>): [string, unknown][] =>
  Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));

/** `key=value` throughout, for programs. */
const forPrograms = ({ level, time: when, message, fields }: Entry): string =>
  [
    `time=${JSON.stringify(when)} level=${level} msg=${quoted(message)}`,
    ...sorted(fields).map(([key, value]) => `${key}=${quoted(value)}`),
  ].join(' ');

/** In colours and columns, for a terminal. */
const forPeople = ({ level, time: when, message, fields }: Entry): string => {
  const paint = (text: string): string => `\u001b[${colour(level)}m${text}\u001b[0m`;
  const rest = sorted(fields).map(([key, value]) => ` ${paint(key)}=${quoted(value)}`);
  return `${paint(level.toUpperCase().padEnd(7))}[${when}] ${message.padEnd(44)} ${rest.join('')}`;
};

const entryOf = ({ type, timestamp, metadata }: LxdEvent): Entry | undefined => {
  if (!isRecord(metadata)) return undefined;
  const when = timestamp.replace(/\.\d+(?=Z|[+-])/, '');
  if (type === 'logging') {
    const fields = isRecord(metadata.context) ? metadata.context : {};
    const level = metadata.level === 'warn' ? 'warning' : String(metadata.level);
    return { level, time: when, message: String(metadata.message), fields };
  }
  if (type === 'lifecycle') {
    const { action, source, context } = metadata;
    const fields = isRecord(context) ? context : {};
    return { level: 'info', time: when, message: `Action: ${action}, Source: ${source}`, fields };
  }
  const { id, class: kind, description, status } = metadata;
  return {
    level: 'info',
    time: when,
    message: `ID: ${id}, Class: ${kind}, Description: ${description}`,
    fields: {
      CreatedAt: metadata.created_at,
      Err: metadata.err,
      Location: metadata.location,
      MayCancel: metadata.may_cancel,
      Metadata: metadata.metadata,
      Resources: metadata.resources,
      Status: status,
      StatusCode: status,
      UpdatedAt: metadata.updated_at,
    },
  };
};

/**
 * One line for an event; nothing for a log record below the level that was asked for.
 *
 * @param level - the least grave level of log records to show; empty for all
 * @param terminal - in colours for a terminal, or `key=value` for programs
 */
export const prettyLine = (event: LxdEvent, level: string, terminal: boolean): string | undefined => {
  const entry = entryOf(event);
  if (entry === undefined) return undefined;
  if (event.type === 'logging' && level !== '' && levelOf(entry.level) > levelOf(level)) return undefined;
  return terminal ? forPeople(entry) : forPrograms(entry);
};
