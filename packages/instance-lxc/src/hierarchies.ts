import { readFile } from 'node:fs/promises';
import { mountInfo } from '@lxd-ts/host';

/** A mounted cgroup hierarchy: one of version 1 with its controllers, or the unified one. */
export interface Hierarchy {
  readonly version: 1 | 2;
  readonly path: string;
  readonly controllers: readonly string[];
}

let known: Promise<readonly Hierarchy[]> | undefined;

const find = (): Promise<Hierarchy[]> =>
  Promise.all(
    mountInfo()
      .filter(({ type }) => type === 'cgroup' || type === 'cgroup2')
      .map(async ({ type, target, superOptions }): Promise<Hierarchy> => {
        if (type === 'cgroup') return { version: 1, path: target, controllers: superOptions };
        const controllers = await readFile(`${target}/cgroup.controllers`, 'utf8');
        return { version: 2, path: target, controllers: controllers.trim().split(' ').filter(Boolean) };
      }),
  );

/** The hierarchies of this host. They do not change while a daemon runs. */
export const hierarchies = (): Promise<readonly Hierarchy[]> => {
  known ??= find();
  known.catch(() => {
    known = undefined;
  });
  return known;
};

/** The hierarchy that has a controller. */
export const hierarchyOf = async (controller: string): Promise<Hierarchy | undefined> =>
  (await hierarchies()).find(({ controllers }) => controllers.includes(controller));

/** The unified hierarchy, if mounted. */
export const unified = async (): Promise<Hierarchy | undefined> =>
  (await hierarchies()).find(({ version }) => version === 2);
