import { badRequest } from '@lxd-ts/driver-kit';

const rules = {
  instance: {
    pattern: /^[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/,
    rule: 'use 1 to 63 ASCII letters, digits and dashes, beginning with a letter and not ending with a dash',
  },
  snapshot: { pattern: /^(?!\.{1,2}$)[^/\s\p{Cc}]{1,251}$/u, rule: 'use 1 to 251 characters without "/" and white space' },
  profile: { pattern: /^(?!\.{1,2}$)[^/\p{Cc}?&+"'`*]{1,251}$/u, rule: 'use 1 to 251 characters without / ? & + * and quotes' },
  'storage pool': { pattern: /^(?!\.{1,2}$)[^/\s\p{Cc}?&+"'`*]{1,251}$/u, rule: 'use 1 to 251 characters without white space, / ? & + * and quotes' },
  'storage volume': { pattern: /^(?!\.{1,2}$)[^/\s\p{Cc}?&+"'`*]{1,251}$/u, rule: 'use 1 to 251 characters without white space, / ? & + * and quotes' },
  network: { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{1,14}$/, rule: 'use 2 to 15 ASCII letters, digits, dashes, dots and underscores, as an interface name' },
  backup: { pattern: /^(?!\.{1,2}$)[^/\s\p{Cc}]{1,251}$/u, rule: 'use 1 to 251 characters without "/" and white space' },
  alias: { pattern: /^[^\p{Cc}]{1,251}$/u, rule: 'use 1 to 251 characters' },
} as const;

/** Things with a name of their own. */
export type Named = keyof typeof rules;

/** Checks a name that a user gives. @throws LxdError bad-request that states the rule */
export const checkName = (what: Named, name: string): void => {
  if (!rules[what].pattern.test(name)) throw badRequest(`Invalid ${what} name "${name}": ${rules[what].rule}`);
};
