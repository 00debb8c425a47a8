/**
 * A network's dnsmasq process. It is a daemon of its own (it detaches itself), so that it serves on while ours is away,
 * and is found again by its process file. Its configuration is one file, named on its command line.
 */
import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { badRequest, internal } from '@lxd-ts/driver-kit';
import {
  CommandError,
  openProcess,
  type ProcessHandle,
  processArguments,
  processStat,
  readOptional,
  replaceFile,
  run,
} from '@lxd-ts/host';
import { serviceFiles, serviceUser } from './dnsmasq-config.ts';

const stopTimeoutMs = 5000;

/**
 * The service of a network, if it runs. A process file outlives its process, and the number may be another program's by now:
 * only one whose command line names this network's configuration counts.
 */
const openService = async (directory: string): Promise<ProcessHandle | undefined> => {
  const { pid: file, config } = serviceFiles(directory);
  const pid = Number((await readOptional(file))?.trim() || Number.NaN);
  if (!Number.isInteger(pid)) return undefined;
  const handle = openProcess(pid);
  // Looked at after the handle is held: it is the handle's process, or none.
  const words = processArguments(pid);
  if (words?.includes(`--conf-file=${config}`)) return handle;
  // One that was killed loses its arguments a moment before its sockets, which the next one needs.
  if (handle && words?.join('') === '' && processStat(pid)?.name === 'dnsmasq') await handle.exited();
  handle?.[Symbol.dispose]();
  return undefined;
};

/** The process id of the network's service, if it runs. */
export const servicePid = async (directory: string): Promise<number | undefined> => {
  using service = await openService(directory);
  return service?.pid;
};

/** Ends the service and waits until it is gone and its ports are free. @returns whether it was running */
export const stopService = async (directory: string): Promise<boolean> => {
  using service = await openService(directory);
  if (service) {
    service.kill('SIGTERM');
    const killing = setTimeout(() => service.kill('SIGKILL'), stopTimeoutMs);
    await service.exited().finally(() => clearTimeout(killing));
  }
  await rm(serviceFiles(directory).pid, { force: true });
  return service !== undefined;
};

/**
 * The service reads reservations anew after it gave up its privileges.
 *
 * @throws LxdError internal that names the directory in its way
 */
const assertReadable = (directory: string): void => {
  for (let path = directory; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) {
      throw internal(`dnsmasq runs as user "${serviceUser}" and cannot enter ${path}: permit it with chmod o+x`);
    }
    if (path === dirname(path)) return;
  }
};

const asError = (error: unknown, raw: string): unknown => {
  if (!(error instanceof CommandError) || error.exitCode !== 1) return error;
  // Exit status 1 is a problem with the configuration (dnsmasq(8)); what we generate ourselves is right.
  const said = error.stderr.replace(/^\s*dnsmasq: /, '').trim();
  return raw === '' ? error : badRequest(`Invalid value for "raw.dnsmasq": dnsmasq says: ${said}`, { cause: error });
};

/** @throws LxdError bad-request when dnsmasq does not understand the user's part of the configuration */
const check = async (config: string, file: string, raw: string): Promise<void> => {
  const candidate = `${file}.check`;
  await replaceFile(candidate, config);
  try {
    await run(['dnsmasq', '--test', `--conf-file=${candidate}`], { debianPackage: 'dnsmasq-base' });
  } catch (error) {
    throw asError(error, raw);
  } finally {
    await rm(candidate, { force: true });
  }
};

/**
 * Sees that the service runs with the given configuration. One that does already is left alone.
 *
 * @param raw - the user's part of it, for the error message
 * @returns whether it had to be started
 * @throws LxdError bad-request when it does not accept the user's part; the running service has not been touched then
 */
export const ensureService = async (directory: string, config: string, raw: string): Promise<boolean> => {
  const files = serviceFiles(directory);
  const current = await readOptional(files.config);
  if (current === config && (await servicePid(directory)) !== undefined) return false;
  assertReadable(directory);
  if (raw !== '') await check(config, files.config, raw);
  await stopService(directory);
  await replaceFile(files.config, config);
  try {
    // It returns when its sockets are open, and fails when it cannot open them.
    await run(['dnsmasq', `--conf-file=${files.config}`], { debianPackage: 'dnsmasq-base' });
    return true;
  } catch (error) {
    throw asError(error, raw);
  }
};

/** Makes the service read the reservations anew. Leases stay. */
export const reloadService = async (directory: string): Promise<void> => {
  using service = await openService(directory);
  service?.kill('SIGHUP');
};
