/** Which way imports may point, as docs/architecture.md draws it: apps → drivers → driver-kit → host, api and client beside. */
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import type { Import } from './scan.ts';

/** What the check knows of a workspace package. `folder` is relative to the workspace's root. */
export interface Package {
  readonly name: string;
  readonly folder: string;
  /** The subpaths of "exports", as `.` and `./testing`. */
  readonly exports: readonly string[];
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
}

const scope = '@lxd-ts/';
const driver = /^@lxd-ts\/(storage|network|instance|device)-/;

interface Layer {
  readonly is: (name: string) => boolean;
  /** The workspace packages that it may import. */
  readonly may: (name: string) => boolean;
  readonly says: string;
}

const among =
  (...names: string[]) =>
  (name: string) =>
    names.includes(name.slice(scope.length));

const layers: readonly Layer[] = [
  { is: among('host'), may: () => false, says: 'host imports no other package' },
  { is: among('s3'), may: () => false, says: 's3 imports no other package' },
  { is: among('driver-kit'), may: among('host'), says: 'driver-kit imports host only' },
  {
    is: (name) => driver.test(name),
    may: among('driver-kit', 'host'),
    says: 'a driver imports driver-kit and host only',
  },
  { is: among('api'), may: () => false, says: 'api imports no other package' },
  { is: among('client'), may: among('api'), says: 'client imports api only' },
  { is: among('database'), may: among('driver-kit', 'host'), says: 'database imports driver-kit and host only' },
  { is: among('cli'), may: among('api', 'client'), says: 'the CLI imports api and client only' },
  { is: among('daemon'), may: (name) => !among('cli', 'test')(name), says: 'the daemon imports no app and no test' },
];

/** Rooms of the daemon's resource folders, and what must not be seen from there. */
const rooms: readonly { file: RegExp; never: RegExp; says: string }[] = [
  {
    file: /^apps\/daemon\/.*\/routes\.ts$/,
    never: /^@lxd-ts\/(host|database|storage-|network-|instance-|device-)|^drizzle-orm|^better-sqlite3/,
    says: 'routes.ts takes HTTP in and out; it touches neither the host nor a driver nor a row',
  },
  {
    file: /^apps\/daemon\/.*\/store\.ts$/,
    never: /^(hono|@hono\/|ws$)|^@lxd-ts\/(host|client|storage-|network-|instance-|device-)/,
    says: 'store.ts reads and writes rows; it knows neither HTTP nor the host nor a driver',
  },
  {
    file: /^apps\/daemon\/.*\/service\.ts$/,
    never: /^(hono|@hono\/|drizzle-orm|better-sqlite3)/,
    says: 'service.ts holds the rules; HTTP belongs into routes.ts and SQL into store.ts',
  },
  {
    file: /^(?!apps\/daemon\/src\/daemon\.ts$)apps\/daemon\/src\//,
    never: driver,
    says: 'daemon.ts alone names concrete drivers',
  },
  {
    file: /^packages\/(storage|network|instance|device)-/,
    never: /^(hono|@hono\/|drizzle-orm|better-sqlite3)/,
    says: 'a driver sees neither HTTP nor a row',
  },
];

/** Tests, scripts, benchmarks and build settings may use devDependencies, the workspace root's too, and tests may wire concrete parts together. */
const isTest = (file: string): boolean => /\.test\.ts$|^(test|tooling)\//.test(file);
const isDevelopment = (file: string, { exports }: Package): boolean =>
  isTest(file) ||
  /\.config\.ts$|^packages\/[^/]+\/(scripts|bench|test)\//.test(file) ||
  // What tests share, unless it is for the tests of others too.
  (/^(apps|packages)\/[^/]+\/src\/testing\//.test(file) && !exports.includes('./testing'));

const packageNameOf = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const subpathOf = (specifier: string): string => `.${specifier.slice(packageNameOf(specifier).length)}`;

/**
 * What is wrong with one import, in whole sentences; empty when all is well.
 *
 * @param file - the importing file, relative to the workspace's root
 * @param from - the package that the file belongs to
 * @param workspace - all packages of the workspace, the root's own first
 */
export const faultsOf = (
  file: string,
  { specifier }: Import,
  from: Package,
  workspace: readonly Package[],
): string[] => {
  if (specifier.startsWith('.')) {
    const target = normalize(join(dirname(file), specifier));
    return target.startsWith(`${from.folder}/`) ? [] : [`"${specifier}" leads out of ${from.name}`];
  }
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) return [];

  const name = packageNameOf(specifier);
  const faults: string[] = [];
  if (name !== from.name && !from.dependencies.includes(name)) {
    if (!isDevelopment(file, from))
      faults.push(`"${name}" is not among the dependencies in ${from.folder}/package.json`);
    else if (![from, ...workspace.slice(0, 1)].some((one) => one.devDependencies.includes(name)))
      faults.push(`"${name}" is not declared in ${from.folder}/package.json`);
  }
  const target = workspace.find((one) => one.name === name);
  if (target && !target.exports.includes(subpathOf(specifier))) {
    faults.push(`"${specifier}" reaches into ${name}, which exports ${target.exports.join(', ') || 'nothing'}`);
  }
  const layer = layers.find((one) => one.is(from.name));
  if (target && layer && name !== from.name && !isDevelopment(file, from) && !layer.may(name)) {
    faults.push(`"${specifier}": ${layer.says}`);
  }
  if (!isTest(file)) {
    for (const room of rooms)
      if (room.file.test(file) && room.never.test(specifier)) faults.push(`"${specifier}": ${room.says}`);
  }
  return faults;
};
