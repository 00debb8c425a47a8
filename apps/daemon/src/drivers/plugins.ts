import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { assertPlugin, badRequest, messageOf, type Plugin } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Drivers } from './registry.ts';

/**
 * Plug-ins live in `<LXD_DIR>/plugins`: a folder (or a link to one) with a package.json for each, and the packages that the
 * folder's own package.json names as dependencies, as `npm install --prefix <LXD_DIR>/plugins <package>` leaves them.
 */
const manifest = z.looseObject({ dependencies: z.record(z.string(), z.string()).default({}) });

const readOptional = async (file: string): Promise<string | undefined> => {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
};

/** Folders of the plug-ins, in order of their names. */
const findPlugins = async (directory: string): Promise<string[]> => {
  const names = (await readdir(directory)).filter((name) => name !== 'node_modules').sort();
  const folders = names.map((name) => join(directory, name));
  const packages = await Promise.all(
    folders.map(
      async (folder) =>
        (await stat(folder)).isDirectory() && (await readOptional(join(folder, 'package.json'))) !== undefined,
    ),
  );
  const own = await readOptional(join(directory, 'package.json'));
  const named = own === undefined ? [] : Object.keys(manifest.parse(JSON.parse(own)).dependencies);
  return [...folders.filter((_, at) => packages[at]), ...named.map((name) => join(directory, 'node_modules', name))];
};

type Target = string | { readonly [condition: string]: Target };
const target: z.ZodType<Target> = z.lazy(() => z.union([z.string(), z.record(z.string(), target)]));
const entryFields = z.looseObject({ exports: target.optional(), main: z.string().optional() });

/** The file an `exports` target of a package.json leads to for `import` (Node's documentation, "Conditional exports"). */
const fileOf = (exported: Target): string | undefined => {
  if (typeof exported === 'string') return exported;
  for (const condition of ['.', 'node', 'import', 'default']) {
    const next = exported[condition];
    const file = next === undefined ? undefined : fileOf(next);
    if (file !== undefined) return file;
  }
  return undefined;
};

/** The file of a package that is imported by its name. */
const entryOf = async (folder: string): Promise<string> => {
  const { exports: exported, main } = entryFields.parse(
    JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')),
  );
  return join(folder, (exported === undefined ? undefined : fileOf(exported)) ?? main ?? 'index.js');
};

/** Imports a plug-in. @throws whatever its code throws, and LxdError bad-request when its default export is no plug-in */
const load = async (folder: string): Promise<Plugin> => {
  // The real path: what the plug-in imports is looked up from where it is, not from where it is linked.
  const entry = await realpath(await entryOf(folder));
  const module: unknown = await import(pathToFileURL(entry).href);
  const plugin: unknown =
    typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;
  if (plugin === undefined) throw badRequest(`${folder} has no default export: export what definePlugin() returns`);
  assertPlugin(plugin);
  return plugin;
};

/** Registers the drivers of all plug-ins. One that is broken is refused with a message in the log; the daemon runs on. */
export const loadPlugins = async (directory: string, drivers: Drivers, log: Logger): Promise<void> => {
  for (const folder of await findPlugins(directory)) {
    try {
      const plugin = await load(folder);
      for (const driver of plugin.drivers) drivers.register(driver);
      log.info({ plugin: plugin.name, folder }, 'Loaded a plug-in');
    } catch (error) {
      log.error({ err: error, folder }, `Refused a plug-in: ${messageOf(error)}`);
    }
  }
};
