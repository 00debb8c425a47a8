/**
 * Scratch space of a test: a folder, and a prefix for the names of links and network namespaces. Everything that hangs
 * on either goes away with it, also when the test died and a later run finds the folder.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { controlGroups, links, loops, mounts, namesIn, namespaces, textIn } from './host-state.ts';
import { abandonedRuns, commandLine, currentRun, environmentOf, isAlive, pids, strangers } from './run-mark.ts';

const base = '/tmp/lxd-ts-test';

export interface Scratch extends AsyncDisposable {
  /** An empty folder of the test's own. */
  readonly folder: string;
  /** Begins the name of every link and network namespace of the test; 8 characters, which leaves 7 for a link. */
  readonly prefix: string;
}

const prefixOf = (id: string): string => `lxt${id}`;

/** Makes scratch space; disposing of it removes all that hangs on it. */
export const makeScratch = (): Scratch => {
  const id = Math.random().toString(36).slice(2, 7).padEnd(5, '0');
  const folder = join(base, id);
  mkdirSync(base, { recursive: true, mode: 0o711 });
  // It comes into sight with its owner: another run takes a folder without one for abandoned.
  const made = mkdtempSync(`${base}.`);
  chmodSync(made, 0o711);
  writeFileSync(join(made, 'owner'), currentRun());
  renameSync(made, folder);
  return { folder, prefix: prefixOf(id), [Symbol.asyncDispose]: () => remove(id) };
};

/** Removes what aborted runs left: their processes, then their scratch space. Hands back what it found. */
export const removeLeftovers = async (): Promise<string[]> => {
  const found: string[] = [];
  for (const run of abandonedRuns()) {
    for (const pid of strangers(run)) {
      found.push(`process ${pid} ${commandLine(pid)}`);
      kill(pid);
    }
  }
  for (const id of namesIn(base)) {
    const owner = textIn(join(base, id, 'owner'));
    if (owner !== undefined && isAlive(owner)) continue;
    found.push(`folder ${join(base, id)}`);
    await remove(id);
  }
  return found;
};

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
};

/** Processes that were told the folder, by an argument or the environment. */
const usersOf = (folder: string): number[] =>
  pids().filter(
    (pid) =>
      pid !== process.pid &&
      (commandLine(pid).includes(`${folder}/`) ||
        environmentOf(pid).some((entry) => entry.startsWith('LXD_DIR=') && `${entry}/`.includes(`=${folder}/`))),
  );

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const remove = async (id: string): Promise<void> => {
  const folder = join(base, id);
  for (let tries = 0; tries < 50; tries++) {
    const users = usersOf(folder);
    if (users.length === 0) break;
    for (const pid of users) kill(pid);
    await sleep(20);
  }
  for (const point of mounts()
    .filter((one) => one.startsWith(`${folder}/`))
    .reverse()) {
    execFileSync('umount', ['-l', point]);
  }
  for (const loop of loops().filter((one) => one.includes(` ${folder}/`))) {
    try {
      execFileSync('losetup', ['-d', `/dev/${loop.split(' ')[0]}`]);
    } catch (error) {
      // A device whose file system was unmounted a moment ago goes by itself.
      if (loops().includes(loop)) throw error;
    }
  }
  const prefix = prefixOf(id);
  for (const link of links().filter((one) => one.startsWith(prefix))) execFileSync('ip', ['link', 'delete', link]);
  for (const one of namespaces().filter((name) => name.startsWith(prefix)))
    execFileSync('ip', ['netns', 'delete', one]);
  removeFromFirewall(prefix);
  removeControlGroups(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
};

const firewall = z.object({
  nftables: z.array(
    z.looseObject({
      table: z.object({ family: z.string(), name: z.string() }).optional(),
      chain: z.object({ family: z.string(), table: z.string(), name: z.string() }).optional(),
    }),
  ),
});

/** Firewall tables and chains that carry the prefix in their name, as those made for one link do. */
const removeFromFirewall = (prefix: string): void => {
  const listed = firewall.parse(JSON.parse(execFileSync('nft', ['-j', 'list', 'ruleset'], { encoding: 'utf8' })));
  const tables = listed.nftables.flatMap(({ table }) => (table?.name.includes(prefix) ? [table] : []));
  for (const { family, name } of tables) execFileSync('nft', ['delete', 'table', family, name]);
  for (const { chain } of listed.nftables) {
    if (!chain?.name.includes(prefix) || tables.some((table) => table.name === chain.table)) continue;
    execFileSync('nft', ['flush', 'chain', chain.family, chain.table, chain.name]);
    execFileSync('nft', ['delete', 'chain', chain.family, chain.table, chain.name]);
  }
};

/** Empty control groups of the containers of the LXD folders in scratch space, whose monitors could not tidy up. */
const removeControlGroups = (folder: string): void => {
  const names = namesIn(folder).flatMap((name) => namesIn(join(folder, name, 'containers')));
  if (names.length === 0) return;
  const parts = new Set(names.flatMap((name) => [`lxc.payload.${name}`, `lxc.monitor.${name}`]));
  for (const path of controlGroups().filter((one) => one.split('/').some((part) => parts.has(part)))) {
    try {
      rmdirSync(path);
    } catch (error) {
      // EBUSY: a container of the same name that somebody else runs.
      if (!(error instanceof Error && 'code' in error && (error.code === 'EBUSY' || error.code === 'ENOENT')))
        throw error;
    }
  }
};
