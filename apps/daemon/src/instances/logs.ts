import type { Dirent } from 'node:fs';
import { readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest, notFound } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';

/** Recorded output, and logs of instances that are gone, are kept this long (spec 09 EXE-03). */
const keepMs = 48 * 60 * 60 * 1000;

/** Logs of the instance drivers, which stay as long as the instance does. */
const driverLogs: ReadonlySet<string> = new Set(['lxc.log', 'lxc.conf', 'qemu.log', 'qemu.conf', 'qemu.early.log']);

const recordedName = /^exec_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:stdout|stderr)$/;

/** The directory of recorded output below an instance's log directory. */
export const outputDirectory = (logs: string): string => join(logs, 'exec-output');

/** Whether the log API shows files of that name. */
const isLogName = (name: string): boolean =>
  driverLogs.has(name) || (/^(?:migration|snapshot)_/.test(name) && !name.includes('/') && !name.includes('\0'));

/** @throws LxdError bad-request unless the log API shows files of that name */
export const checkLogName = (name: string): void => {
  if (!isLogName(name)) throw badRequest(`log file name ${name} not valid`);
};

/** @throws LxdError bad-request unless it is the name of a recorded output: `exec_<operation>.stdout` or `.stderr` */
export const checkOutputName = (name: string): void => {
  if (!recordedName.test(name)) throw badRequest(`exec record-output file name ${name} not valid`);
};

/** What is in a directory; nothing when it is not there. */
const entriesOf = async (directory: string): Promise<Dirent[]> => {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
};

const namesIn = async (directory: string, shown: (name: string) => boolean): Promise<string[]> =>
  (await entriesOf(directory))
    .filter((entry) => entry.isFile() && shown(entry.name))
    .map((entry) => entry.name)
    .sort();

/** The logs in an instance's log directory. */
export const listLogs = (logs: string): Promise<string[]> => namesIn(logs, isLogName);

/** The recorded outputs in an instance's log directory. */
export const listOutputs = (logs: string): Promise<string[]> =>
  namesIn(outputDirectory(logs), (name) => recordedName.test(name));

const remove = async (path: string, name: string): Promise<void> => {
  try {
    await unlink(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw notFound(`File "${name}" not found`);
    throw error;
  }
};

/** Deletes a log. @throws LxdError bad-request for the logs of the driver, not-found */
export const deleteLog = async (logs: string, name: string): Promise<void> => {
  checkLogName(name);
  if (driverLogs.has(name)) throw badRequest('lxc.log and lxc.conf may not be deleted');
  await remove(join(logs, name), name);
};

/** Deletes a recorded output. @throws LxdError bad-request, not-found */
export const deleteOutput = async (logs: string, name: string): Promise<void> => {
  checkOutputName(name);
  await remove(join(outputDirectory(logs), name), name);
};

/** Removes what is in a directory and was last written before `before`. */
const removeOlder = async (directory: string, before: number, chosen: (name: string) => boolean): Promise<void> => {
  for (const { name } of await entriesOf(directory)) {
    if (!chosen(name)) continue;
    const path = join(directory, name);
    try {
      if ((await stat(path)).mtimeMs < before) await rm(path, { recursive: true, force: true });
    } catch (error) {
      // Deleted by a client meanwhile.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
};

/**
 * Removes recorded output and other short-lived logs that are older than 48 hours, and what is as old of instances that are gone.
 *
 * @param root - `<LXD_DIR>/logs`
 * @param handles - the log directories of the instances there are
 * @param now - milliseconds since the epoch
 */
export const expireLogs = async (root: string, handles: ReadonlySet<string>, now = Date.now()): Promise<void> => {
  const before = now - keepMs;
  for (const entry of await entriesOf(root)) {
    if (!entry.isDirectory()) continue;
    const directory = join(root, entry.name);
    const exists = handles.has(entry.name);
    await removeOlder(outputDirectory(directory), before, () => true);
    await removeOlder(directory, before, (name) => (exists ? isLogName(name) && !driverLogs.has(name) : true));
    if (exists) continue;
    try {
      await rmdir(directory);
    } catch (error) {
      // Something younger is left in it.
      if (!isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'ENOENT')) throw error;
    }
  }
};

/** Gives the folder of an instance's logs another name. Nothing there is no error: it has none, or this was done before. */
export const moveLogs = async (from: string, to: string): Promise<void> => {
  try {
    await rename(from, to);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    // What an instance that had the name before has left.
    await rm(to, { recursive: true, force: true });
    await rename(from, to);
  }
};
