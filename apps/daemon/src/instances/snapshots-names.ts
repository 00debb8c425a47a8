import { checkName, formatGoLayout } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';

/** The name of a snapshot that was given none, unless `snapshots.pattern` says otherwise (spec 03.177). */
export const defaultPattern = 'snap%d';

/** How Go prints a time that no layout was given for. */
const plainLayout = '2006-01-02 15:04:05 -0700 MST';

/** `creation_date`, alone or with the filter `date` and its layout. */
const expression = /^\s*creation_date\s*(?:\|\s*date\s*:\s*(?:'([^']*)'|"([^"]*)")\s*)?$/;

/**
 * Fills in a pattern. Of Pongo2 it knows what a name can be made of, and no more: whoever may configure an instance writes
 * the pattern, so it must not be able to compute at length or reach into the server, as a whole template language could.
 */
const render = (pattern: string, createdAt: Date): string => {
  const filled = pattern.replace(/\{\{(.*?)\}\}/gs, (_code, inside: string) => {
    const match = expression.exec(inside);
    if (!match) {
      throw badRequest(
        `Invalid snapshots.pattern "${pattern}": between {{ and }} stands creation_date, or creation_date|date:'2006-01-02' with a layout`,
      );
    }
    return formatGoLayout(createdAt, match[1] ?? match[2] ?? plainLayout);
  });
  const left = /\{\{|\}\}|\{%|%\}/.exec(filled);
  if (left) throw badRequest(`Invalid snapshots.pattern "${pattern}": "${left[0]}" stands alone or is not supported`);
  return filled;
};

/** The number after the highest that existing names have in place of `%d` (spec 03.180). */
const nextNumber = (before: string, after: string, taken: readonly string[]): number => {
  const numbers = taken.flatMap((name) => {
    const fits = name.length > before.length + after.length && name.startsWith(before) && name.endsWith(after);
    const digits = fits ? name.slice(before.length, name.length - after.length) : '';
    return /^\d{1,15}$/.test(digits) ? [Number(digits)] : [];
  });
  return Math.max(-1, ...numbers) + 1;
};

/**
 * The name that a pattern makes (spec 03.177–180): `{{ creation_date }}` stands for the time, and `%d` counts. A pattern
 * without `%d` whose name is taken goes on counting after a hyphen.
 *
 * @param taken - the names of the snapshots there are
 * @throws LxdError bad-request when the pattern cannot be read; InvalidInputError when the name is none a snapshot can have
 */
export const snapshotName = (pattern: string, createdAt: Date, taken: readonly string[]): string => {
  const rendered = render(pattern, createdAt);
  const [before = '', after, ...more] = rendered.split('%d');
  if (more.length > 0) throw badRequest("Snapshot pattern may contain '%d' only once");
  const counted = (start: string, end: string): string => `${start}${nextNumber(start, end, taken)}${end}`;
  const name =
    after !== undefined ? counted(before, after) : taken.includes(rendered) ? counted(`${rendered}-`, '') : rendered;
  checkName('instanceSnapshot', name);
  return name;
};
