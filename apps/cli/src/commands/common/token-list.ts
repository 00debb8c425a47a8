import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { isSet, minute } from '../../output/time.ts';
import type { Token } from './tokens.ts';

/** Prints tokens as a list; `nameField` is what their owner is called in the formats for programs. */
export const printTokens = (format: string, tokens: readonly Token[], nameField: string): void => {
  printListing(format, {
    header: ['NAME', 'TOKEN', 'EXPIRES AT'],
    rows: tokens
      .map(({ name, token, expiresAt }) => [name, token, isSet(expiresAt) ? minute(expiresAt) : ''])
      .sort(compareRows),
    data: tokens.map(({ name, token, expiresAt }) => ({ [nameField]: name, Token: token, ExpiresAt: expiresAt })),
    shape: 'any',
  });
};
