/**
 * Third-party drivers. A plug-in is an npm package (or a folder with a package.json) whose default export is made by
 * `definePlugin`. The daemon imports those named in its plug-in folder and registers their drivers beside its own.
 *
 * @example
 * export default definePlugin({ name: 'overlay', contract: 1, drivers: [overlay] });
 */
import { z } from 'zod';
import type { DeviceDriver } from './device/contract.ts';
import { badRequest } from './errors.ts';
import type { InstanceDriver } from './instance/contract.ts';
import type { NetworkDriver } from './network/contract.ts';
import type { StorageDriver } from './storage/contract.ts';

export type Driver = StorageDriver | NetworkDriver | InstanceDriver | DeviceDriver;

/** The version of the contracts in this package. It changes only when drivers must. */
export const contractVersion = 1;

export interface Plugin {
  readonly name: string;
  /** The contract version it was written against. */
  readonly contract: number;
  readonly drivers: readonly Driver[];
}

export const definePlugin = (plugin: Plugin): Plugin => plugin;

const call = z.function();
const named = { name: z.string().min(1) };
const shapes = {
  storage: z.looseObject({
    ...named,
    features: z.looseObject({}),
    poolConfig: z.array(z.looseObject({})),
    volumeConfig: z.array(z.looseObject({})),
    probe: call,
    create: call,
    open: call,
  }),
  network: z.looseObject({
    ...named,
    features: z.looseObject({}),
    config: z.array(z.looseObject({})),
    probe: call,
    fill: call,
    validate: call,
    open: call,
  }),
  instance: z.looseObject({
    ...named,
    type: z.enum(['container', 'virtual-machine']),
    probe: call,
    validate: call,
    start: call,
    find: call,
    cleanup: call,
  }),
  device: z.looseObject({
    type: z.string().min(1),
    config: z.array(z.looseObject({})),
    validate: call,
    start: call,
    stop: call,
  }),
};
const isKindOfDriver = (kind: unknown): kind is keyof typeof shapes => typeof kind === 'string' && kind in shapes;
const pluginShape = z.looseObject({
  name: z.string().min(1),
  contract: z.number(),
  drivers: z.array(z.looseObject({ kind: z.string() })).min(1),
});

/**
 * Checks the default export of a plug-in package before anything in it is called.
 *
 * @throws LxdError bad-request that says what is wrong with it
 */
export function assertPlugin(value: unknown): asserts value is Plugin {
  const plugin = pluginShape.safeParse(value);
  if (!plugin.success) throw badRequest(`Not a plug-in: ${z.prettifyError(plugin.error)}`);
  if (plugin.data.contract !== contractVersion) {
    throw badRequest(
      `Plug-in "${plugin.data.name}" is written for contract version ${plugin.data.contract}; this daemon has ${contractVersion}`,
    );
  }
  for (const driver of plugin.data.drivers) {
    if (!isKindOfDriver(driver.kind))
      throw badRequest(
        `Plug-in "${plugin.data.name}": unknown driver kind "${driver.kind}" (${Object.keys(shapes).join(', ')})`,
      );
    const shape = shapes[driver.kind].safeParse(driver);
    if (!shape.success)
      throw badRequest(`Plug-in "${plugin.data.name}", ${driver.kind} driver: ${z.prettifyError(shape.error)}`);
  }
}
