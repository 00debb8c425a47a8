import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { parse } from 'yaml';

/**
 * Parses YAML that may come from anywhere.
 *
 * @param what - what the text is, to begin a sentence with: `The index of the backup`
 * @throws LxdError bad-request saying what is wrong with it
 */
export const parseYaml = (text: string, what: string): unknown => {
  try {
    // Aliases could make a small file a huge value.
    return parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw badRequest(`${what} is not valid YAML: ${messageOf(error)}`, { cause: error });
  }
};
