import type { Questions } from '../questions.ts';

/** A storage driver, as far as it decides what is asked. */
export interface OfferedDriver {
  readonly name: string;
  /** Without a source a pool of it lives in a loop file. */
  readonly loopFiles: boolean;
  /** Its pools live in a cluster. */
  readonly remote: boolean;
}

export interface NewPool {
  readonly name: string;
  readonly driver: string;
  readonly config: Readonly<Record<string, string>>;
}

const given = (answer: string): string | undefined => (answer === '' ? 'give its name' : undefined);
const GiB = 1024 ** 3;

/** Where a new pool of a driver that can make loop files lives. */
const askPlace = async (questions: Questions, loopSize: number): Promise<Record<string, string>> => {
  if (await questions.yes('Would you like to use an existing empty block device (e.g. a disk or partition)?', false)) {
    const source = await questions.text('Path to the existing block device', undefined, (answer) =>
      answer.startsWith('/dev/') ? undefined : 'give a path below /dev',
    );
    return { source };
  }
  const size = await questions.text(
    'Size in GiB of the new loop device (1GiB minimum)',
    `${Math.floor(loopSize / GiB)}GiB`,
    (answer) => (/^[1-9][0-9]*(GiB)?$/.test(answer) ? undefined : 'give a size such as 20GiB'),
  );
  return { size: size.endsWith('GiB') ? size : `${size}GiB` };
};

/** The pool of a cluster: a new one, or one that is there. */
const askCluster = async (questions: Questions, driver: string, create: boolean): Promise<Record<string, string>> => {
  const cluster = await questions.text('Name of the existing CEPH cluster', 'ceph');
  const config = { [`${driver}.cluster_name`]: cluster };
  if (!create)
    return { ...config, source: await questions.text('Name of the existing OSD storage pool', undefined, given) };
  return {
    ...config,
    [`${driver}.osd.pool_name`]: await questions.text('Name of the OSD storage pool', 'lxd'),
    [`${driver}.osd.pg_num`]: await questions.text('Number of placement groups', '32', (answer) =>
      /^[1-9][0-9]*$/.test(answer) ? undefined : 'give a number',
    ),
  };
};

/** What a pool that is there is called, in a question about it. */
const existing: Readonly<Record<string, string>> = {
  btrfs: 'Path to the existing BTRFS subvolume',
  lvm: 'Name of the existing LVM volume group',
  zfs: 'Name of the existing ZFS pool or dataset',
};

/** Asks for a new storage pool (spec 01.47), in the words of LXD's `lxd init`. */
export const askPool = async (
  {
    pools,
    drivers,
    loopSize,
  }: { readonly pools: readonly string[]; readonly drivers: readonly OfferedDriver[]; readonly loopSize: number },
  questions: Questions,
): Promise<NewPool> => {
  const name = await questions.text('Name of the new storage pool', 'default', (answer) =>
    pools.includes(answer) ? `the storage pool "${answer}" already exists` : undefined,
  );
  const names = drivers.map((driver) => driver.name);
  const word = await questions.choice(
    'Name of the storage backend to use',
    names,
    ['zfs', 'btrfs'].find((best) => names.includes(best)) ?? 'dir',
  );
  const driver = drivers.find((one) => one.name === word);
  if (!driver || (!driver.loopFiles && !driver.remote)) return { name, driver: word, config: {} };
  const create = await questions.yes(`Create a new ${word.toUpperCase()} pool?`, true);
  if (driver.remote) return { name, driver: word, config: await askCluster(questions, word, create) };
  if (create) return { name, driver: word, config: await askPlace(questions, loopSize) };
  const source = await questions.text(existing[word] ?? 'Source of the existing pool', undefined, given);
  return { name, driver: word, config: { source } };
};
