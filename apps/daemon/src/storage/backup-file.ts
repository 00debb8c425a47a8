import { stringify } from 'yaml';

/** The text of `backup.yaml`: what recovery needs to know of an instance when the database is lost. */
export const backupFile = (content: unknown): string =>
  stringify(content, { lineWidth: 0, aliasDuplicateObjects: false });
