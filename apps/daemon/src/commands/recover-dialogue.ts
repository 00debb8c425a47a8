import { type Client, ConnectionError } from '@lxd-ts/client';
import { messageOf } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import type { Questions } from './questions.ts';

interface AskedPool {
  readonly name: string;
  readonly driver: string;
  readonly description: '';
  readonly config: Readonly<Record<string, string>> | null;
}

const serverAnswer = z.object({
  environment: z.object({
    server_clustered: z.boolean().default(false),
    storage_supported_drivers: z.array(z.object({ Name: z.string() })),
  }),
});
const poolsAnswer = z.array(
  z.object({ name: z.string(), driver: z.string(), config: z.record(z.string(), z.string()).nullish() }),
);

/** Lists without entries are null, and servers before this one tell no problems. */
const listOf = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);
const validateAnswer = z.object({
  UnknownVolumes: listOf(
    z.object({
      name: z.string(),
      type: z.string(),
      snapshotCount: z.number(),
      project: z.string(),
      pool: z.string(),
    }),
  ),
  DependencyErrors: listOf(z.string()),
  Problems: listOf(z.string()),
});

/** `virtual-machine` as a heading: `Virtual-Machine`. */
const titled = (word: string): string => word.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());

const place = (driver: string, config: Readonly<Record<string, string>> | null | undefined): string =>
  `(backend="${driver}", source="${config?.['source'] ?? ''}")`;

const askPool = async (questions: Questions, drivers: readonly string[]): Promise<AskedPool> => {
  const name = await questions.text('Name of the storage pool', undefined, (answer) =>
    answer === '' ? 'Pool name cannot be empty' : undefined,
  );
  const driver = await questions.choice('Name of the storage backend', drivers);
  const source = await questions.text(
    'Source of the storage pool (block device, volume group, dataset, path, ... as applicable)',
    undefined,
    (answer) => (answer === '' ? 'Required value' : undefined),
  );
  const config: Record<string, string> = { source };
  for (;;) {
    const property = await questions.text(
      'Additional storage pool configuration property (KEY=VALUE, empty when done)',
      undefined,
      (answer) =>
        answer === '' || answer.includes('=') ? undefined : 'Config option should be in the format KEY=VALUE',
    );
    if (property === '') return { name, driver, description: '', config };
    const at = property.indexOf('=');
    config[property.slice(0, at)] = property.slice(at + 1);
  }
};

/**
 * The dialogue of `lxd recover` (spec 10 REC-03, REC-05), in the words of LXD's. What cannot be recovered is listed besides.
 *
 * @throws Error `Failed validation request: …`, `Failed import request: …`
 */
export const recoverByDialogue = async (
  client: Client,
  questions: Questions,
  say: (line: string) => void,
): Promise<void> => {
  const request = async (what: 'validate' | 'import', pools: readonly AskedPool[]): Promise<unknown> => {
    try {
      return (await client.query('POST', `/internal/recover/${what}`, { pools })).metadata;
    } catch (error) {
      if (error instanceof ConnectionError) throw error;
      throw new Error(`Failed ${what === 'import' ? 'import' : 'validation'} request: ${messageOf(error)}`, {
        cause: error,
      });
    }
  };
  const sayProblems = (all: readonly string[]): void => {
    if (all.length === 0) return;
    say('The following cannot be recovered:');
    for (const one of all) say(` - ${one}`);
  };

  const { environment } = serverAnswer.parse((await client.get([])).value);
  const existing = poolsAnswer.parse((await client.get(['storage-pools'], { recursion: '1' })).value);
  say('This LXD server currently has the following storage pools:');
  for (const { name, driver, config } of existing) say(` - ${name} ${place(driver, config)}`);

  const unknown: AskedPool[] = [];
  const drivers = environment.storage_supported_drivers.map(({ Name }) => Name);
  // The pools of a cluster are on all of its members, which only the database knows.
  while (
    !environment.server_clustered &&
    (await questions.yes('Would you like to recover another storage pool?', false))
  ) {
    unknown.push(await askPool(questions, drivers));
  }

  say('The recovery process will be scanning the following storage pools:');
  for (const { name, driver, config } of existing) say(` - EXISTING: "${name}" ${place(driver, config)}`);
  for (const { name, driver, config } of unknown) say(` - NEW: "${name}" ${place(driver, config)}`);
  if (!(await questions.yes('Would you like to continue with scanning for lost volumes?', true))) return;
  const pools: AskedPool[] = [
    ...existing.map(({ name }) => ({ name, driver: '', description: '' as const, config: null })),
    ...unknown,
  ];

  say('Scanning for unknown volumes...');
  for (;;) {
    const found = validateAnswer.parse(await request('validate', pools));
    sayProblems(found.Problems);
    if (found.UnknownVolumes.length === 0) {
      say('No unknown volumes found. Nothing to do.');
      return;
    }
    say('The following unknown volumes have been found:');
    for (const { name, type, pool, project, snapshotCount } of found.UnknownVolumes) {
      say(
        ` - ${titled(type)} "${name}" on pool "${pool}" in project "${project}" (includes ${snapshotCount} snapshots)`,
      );
    }
    if (found.DependencyErrors.length === 0) break;
    say('You are currently missing the following:');
    for (const one of found.DependencyErrors) say(` - ${one}`);
    await questions.text('Please create those missing entries and then hit ENTER', undefined);
  }

  if (!(await questions.yes('Would you like those to be recovered?', false))) return;
  say('Starting recovery...');
  await request('import', pools);
};
