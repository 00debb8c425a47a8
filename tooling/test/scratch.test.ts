import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hostState, leaks } from './host-state.ts';
import { currentRun } from './run-mark.ts';
import { makeScratch } from './scratch.ts';

/** Makes one of each kind of thing in scratch space; hands back how the leak check names them. */
const litter = async (folder: string, prefix: string): Promise<RegExp[]> => {
  mkdirSync(join(folder, 'lxd/containers', `${prefix}-c1`), { recursive: true });
  mkdirSync(join(folder, 'mnt'));
  mkdirSync(`/sys/fs/cgroup/unified/lxc.payload.${prefix}-c1`);
  execFileSync('mount', ['-t', 'tmpfs', 'none', join(folder, 'mnt')]);
  writeFileSync(join(folder, 'disk'), Buffer.alloc(1 << 20));
  execFileSync('losetup', ['--find', join(folder, 'disk')]);
  execFileSync('ip', ['link', 'add', `${prefix}br0`, 'type', 'bridge']);
  execFileSync('ip', ['netns', 'add', `${prefix}net`]);
  execFileSync('nft', ['add', 'table', 'inet', 'scratchtest']);
  execFileSync('nft', ['add', 'chain', 'inet', 'scratchtest', `fwd.${prefix}br0`]);
  execFileSync('nft', ['add', 'table', 'inet', `net_${prefix}br0`]);
  const sleeper = spawn('sleep', ['600'], { env: { ...process.env, LXD_DIR: join(folder, 'lxd') }, stdio: 'ignore' });
  await once(sleeper, 'spawn');
  return [
    new RegExp(`^link ${prefix}br0$`),
    new RegExp(`^mount ${folder}/mnt$`),
    new RegExp(`^loop device loop\\d+ ${folder}/disk$`),
    new RegExp(`^network namespace ${prefix}net$`),
    new RegExp(`^firewall table table inet net_${prefix}br0$`),
    new RegExp(`^cgroup .*/lxc.payload.${prefix}-c1$`),
    new RegExp(`^process ${sleeper.pid} sleep 600$`),
  ];
};

test('the leak check names what a test left, and disposing of scratch space removes it', async () => {
  const before = hostState(currentRun());
  const scratch = makeScratch();
  const expected = await litter(scratch.folder, scratch.prefix);
  const found = leaks(before, hostState(currentRun()));
  for (const one of expected) expect(found).toContainEqual(expect.stringMatching(one));

  await scratch[Symbol.asyncDispose]();
  const left = leaks(before, hostState(currentRun()));
  for (const one of expected) expect(left).not.toContainEqual(expect.stringMatching(one));
  expect(existsSync(scratch.folder)).toBe(false);
  expect(execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' })).not.toContain(scratch.prefix);
  execFileSync('nft', ['delete', 'table', 'inet', 'scratchtest']);
});

test('a later run removes what a killed one left, and leaves a living one alone', async () => {
  await using living = makeScratch();
  const program = `
    import { makeScratch } from '${join(import.meta.dirname, 'scratch.ts')}';
    import { spawn } from 'node:child_process';
    const { folder } = makeScratch();
    const sleeper = spawn('sleep', ['601'], { detached: true, stdio: 'ignore' });
    console.log(JSON.stringify({ folder, pid: sleeper.pid }));
    setTimeout(() => {}, 60_000);
  `;
  const { LXD_TS_TEST_RUN: _, ...env } = process.env;
  const aborted = spawn(process.execPath, ['--conditions=lxd-ts-source', '--input-type=module', '-e', program], {
    env,
  });
  const [line]: Buffer[] = await once(aborted.stdout, 'data');
  const { folder, pid }: { folder: string; pid: number } = JSON.parse(String(line));
  aborted.kill('SIGKILL');
  await once(aborted, 'close');
  expect(existsSync(folder)).toBe(true);

  const cleaner = join(import.meta.dirname, 'scratch.ts');
  const found = execFileSync(
    process.execPath,
    [
      '--conditions=lxd-ts-source',
      '--input-type=module',
      '-e',
      `import { removeLeftovers } from '${cleaner}'; console.log((await removeLeftovers()).join('\\n'))`,
    ],
    { encoding: 'utf8', env: process.env },
  );
  expect(found).toContain(`process ${pid} sleep 601`);
  expect(found).toContain(`folder ${folder}`);
  expect(existsSync(folder)).toBe(false);
  expect(existsSync(`/proc/${pid}/cmdline`) && execFileSync('cat', [`/proc/${pid}/cmdline`]).length > 0).toBe(false);
  expect(existsSync(living.folder)).toBe(true);
});
