import { checkName } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import { renderTemplate } from './pongo2/template.ts';

/** The name of a snapshot that was given none, unless `snapshots.pattern` says otherwise (spec 03.177). */
export const defaultPattern = 'snap%d';

/** Fills in a pattern: values with their filters, no tags, as a name needs no loops. */
const render = (pattern: string, createdAt: Date): string => {
  if (pattern.includes('{%'))
    throw badRequest(`Invalid snapshots.pattern "${pattern}": tags ({% %}) are not supported`);
  const rendered = renderTemplate(pattern, { creation_date: createdAt });
  if (rendered.includes('{{')) throw badRequest(`Invalid snapshots.pattern "${pattern}": a "{{" is not closed`);
  return rendered;
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
