/** The AppArmor profile of a container: liblxc generates, loads and removes it; rules of `raw.apparmor` end it. */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, type Config, conflict, isTrue } from '@lxd-ts/driver-kit';
import { CommandError, isErrno, run } from '@lxd-ts/host';
import type { Setting } from './config/settings.ts';
import type { Place } from './place.ts';

/** A comment in the profile: what follows is raw.apparmor. */
const marker = '# raw.apparmor';

const rulesOf = (config: Config): string[] =>
  (config['raw.apparmor'] ?? '').split('\n').filter((line) => line.trim() !== '');

export const apparmorSettings = (config: Config): Setting[] => [
  ['lxc.apparmor.profile', 'generated'],
  ['lxc.apparmor.allow_nesting', isTrue(config['security.nesting']) ? '1' : '0'],
  ...[marker, ...rulesOf(config)].map((line): Setting => ['lxc.apparmor.raw', line]),
];

/** The file that liblxc generated the profile into; undefined for a container that runs without. */
const profileOf = async (place: Place): Promise<string | undefined> => {
  const folder = join(place.lxcPath, place.name, 'apparmor');
  try {
    const name = (await readdir(folder)).find((one) => one.startsWith('lxc-') && !one.endsWith('.new'));
    return name === undefined ? undefined : join(folder, name);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
};

/**
 * Puts the rules of `raw.apparmor` in force in a running container, in place of those before.
 *
 * @throws LxdError bad-request when they are no rules, and the old ones stay
 */
export const updateApparmor = async (place: Place, config: Config): Promise<void> => {
  const profile = await profileOf(place);
  if (profile === undefined) return;
  const [generated, before] = (await readFile(profile, 'utf8')).split(`${marker}\n`);
  if (generated === undefined || before === undefined) {
    throw conflict('"raw.apparmor" cannot change while the instance runs: it was started without room for such rules');
  }
  const rules = rulesOf(config).map((line) => `${line}\n`);
  const candidate = `${profile}.new`;
  try {
    await writeFile(candidate, [generated, marker, '\n', ...rules, '}\n'].join(''));
    await run(['apparmor_parser', '--replace', '--skip-cache', candidate], { debianPackage: 'apparmor' });
    await rename(candidate, profile);
  } catch (error) {
    await rm(candidate, { force: true });
    if (!(error instanceof CommandError)) throw error;
    throw badRequest(`Invalid value for "raw.apparmor": ${error.stderr.trim()}`, { cause: error });
  }
};
