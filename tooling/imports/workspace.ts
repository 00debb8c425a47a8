import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Package } from './rules.ts';

const names = (record: unknown): string[] => (typeof record === 'object' && record !== null ? Object.keys(record) : []);

const readPackage = (root: string, folder: string): Package => {
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  return {
    name: String(manifest.name),
    folder,
    exports: names(manifest.exports),
    dependencies: [...names(manifest.dependencies), ...names(manifest.peerDependencies)],
    devDependencies: names(manifest.devDependencies),
  };
};

/** The root's own package, those below apps/ and packages/, then tooling and test. */
export const workspacePackages = (root: string): Package[] => {
  const below = (group: string) => readdirSync(join(root, group)).map((name) => join(group, name));
  return ['.', ...below('apps'), ...below('packages'), 'tooling', 'test']
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => readPackage(root, folder));
};

/** The TypeScript files of a package, relative to the workspace's root; not what is built, installed or a package of its own. */
export const sourcesOf = (root: string, { folder }: Package): string[] => {
  const walk = (path: string): string[] =>
    readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
      const file = join(path, entry.name);
      if (entry.isDirectory()) {
        const skip =
          ['node_modules', 'dist', '.turbo'].includes(entry.name) || existsSync(join(root, file, 'package.json'));
        return skip ? [] : walk(file);
      }
      return /\.m?ts$/.test(entry.name) ? [file] : [];
    });
  return walk(folder);
};
