import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run, say } from './run.mjs';

/** The folders of the workspace's packages, relative to the root. */
const packageFolders = () => [
  ...['apps', 'packages'].flatMap((group) => readdirSync(join(root, group)).map((name) => join(group, name))),
  'tooling',
  'test',
];

/**
 * All files below a folder, sorted, relative to the root.
 *
 * @param {string} folder
 * @returns {string[]}
 */
const filesBelow = (folder) =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
        .filter((file) => file.isFile())
        .map((file) => join(file.parentPath, file.name))
        .sort()
    : [];

/** @param {readonly string[]} files */
const fingerprint = (files) => {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(existsSync(file) ? readFileSync(file) : '')
      .update('\0');
  return hash.digest('hex');
};

/**
 * Runs `action` unless it ran before with these very inputs and its outputs are still there.
 *
 * @param {{ stamp: string, inputs: readonly string[], outputs: readonly string[], action: () => Promise<void> }} step
 *   stamp: file that keeps the fingerprint of the last good run; all paths absolute
 */
const once = async ({ stamp, inputs, outputs, action }) => {
  const now = fingerprint(inputs);
  const fresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === now && outputs.every((file) => existsSync(file));
  if (fresh) return;
  await action();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, now);
};

/** Installs the workspace's npm packages exactly as the lock file says. */
export const installDependencies = () => {
  const manifests = ['.', ...packageFolders()].map((folder) => join(root, folder, 'package.json'));
  return once({
    stamp: join(root, 'node_modules/.installed'),
    inputs: ['pnpm-lock.yaml', 'pnpm-workspace.yaml', '.npmrc'].map((file) => join(root, file)).concat(manifests),
    outputs: ['node', 'pnpm', 'turbo', 'lxd', 'lxc'].map((bin) => join(root, 'node_modules/.bin', bin)),
    action: async () => {
      say('Installing npm packages');
      const pinned = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager;
      const env = { ...process.env, CI: '1' };
      await run('npx', ['-y', pinned, 'install', '--frozen-lockfile', '--loglevel=error'], env);
    },
  });
};

/** Builds every package whose sources changed. */
export const buildPackages = () => {
  const folders = packageFolders().filter((folder) => existsSync(join(root, folder, 'tsup.config.ts')));
  return once({
    stamp: join(root, '.cache/built'),
    inputs: folders
      .flatMap((folder) => [
        ...filesBelow(join(folder, 'src')),
        ...['package.json', 'tsup.config.ts', 'tsconfig.build.json'].map((file) => join(root, folder, file)),
      ])
      .concat(join(root, 'tooling/tsup.ts'), join(root, 'tooling/tsconfig/base.json'), join(root, 'pnpm-lock.yaml')),
    outputs: folders.map((folder) => join(root, folder, 'dist')),
    action: async () => {
      say('Building');
      await run('turbo', ['run', 'build', '--continue', '--output-logs=errors-only', '--no-update-notifier']);
    },
  });
};
