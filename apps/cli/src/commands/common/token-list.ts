import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { isSet, minute } from '../../output/time.ts';
import type { Token } from './tokens.ts';

const fieldsOf = (format: string, nameField: string): string[] => {
  const names = [nameField, 'Token', 'ExpiresAt'];
  return format === 'yaml' ? names.map((name) => name.toLowerCase()) : names;
};

const lowerKeys = (value: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(value).map(([key, text]) => [key.toLowerCase(), text]));

/** Prints tokens as a list; `nameField` is what their owner is called in the formats for programs. */
export const printTokens = (format: string, tokens: readonly Token[], nameField: string): void => {
  printListing(format, {
    header: ['NAME', 'TOKEN', 'EXPIRES AT'],
    rows: tokens
      .map(({ name, token, expiresAt }) => [name, token, isSet(expiresAt) ? minute(expiresAt) : ''])
      .sort(compareRows),
    data: tokens.map((token) => {
      const data = {
        [nameField]: token.name,
        Token: token.token,
        ExpiresAt: isSet(token.expiresAt) ? minute(token.expiresAt) : '',
      };
      // The reference client spells the fields small in YAML.
      return format === 'yaml' ? lowerKeys(data) : data;
    }),
    shape: {
      list: { fields: Object.fromEntries(fieldsOf(format, nameField).map((name) => [name, 'string' as const])) },
    },
  });
};
