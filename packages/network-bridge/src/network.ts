/** An open bridge network (see the contract in driver-kit). */
import { access, mkdir, rename as renameFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Config, conflict, type Network, type NetworkSpec, serial, UndoStack } from '@lxd-ts/driver-kit';
import { applyNft, deleteNftTable, isErrno, linkExists, randomHwaddr, readOptional, replaceFile } from '@lxd-ts/host';
import { allDone } from './all-done.ts';
import { ensureService, reloadService, stopService } from './dnsmasq.ts';
import { dnsmasqConfig, needsService, serviceFiles } from './dnsmasq-config.ts';
import { firewallRules, tableOf } from './firewall.ts';
import { readLeaseFile } from './lease-file.ts';
import { networkLeases, withoutLeases } from './leases.ts';
import { applyLinks, removeLinks } from './links.ts';
import { hostsFile, keepReservations, readReservations } from './reservations.ts';
import { type BridgeSettings, readSettings } from './settings.ts';
import { linkState } from './state.ts';
import { validateName } from './validate.ts';

/** The address chosen for the bridge at creation, which it keeps for good. */
const chosenHwaddr = async (directory: string): Promise<string> => {
  const file = join(directory, 'hwaddr');
  const kept = (await readOptional(file))?.trim();
  if (kept) return kept;
  const chosen = randomHwaddr();
  await replaceFile(file, `${chosen}\n`);
  return chosen;
};

const exists = async (path: string): Promise<boolean> => {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
};

export const openBridge = (spec: NetworkSpec): Network => {
  const { name, directory } = spec;
  const files = serviceFiles(directory);
  let config = spec.config;
  let settings = readSettings(name, config);
  // One change of what the service reads, or of the service, at a time.
  const inOrder = serial();
  const forgotten = new Set<string>();

  /** Brings the reservations into the form `wanted` asks for; the service reads them at its start. */
  const writeHosts = async (wanted: BridgeSettings): Promise<boolean> => {
    const text = hostsFile(await readReservations(directory), wanted.dns);
    if ((await readOptional(files.hosts)) === text) return false;
    await replaceFile(files.hosts, text);
    return true;
  };

  const applyService = async (wanted: BridgeSettings): Promise<void> => {
    if (!needsService(wanted)) {
      await stopService(directory);
      return;
    }
    const changed = await writeHosts(wanted);
    const started = await ensureService(directory, dnsmasqConfig(wanted, directory), wanted.raw);
    if (changed && !started) await reloadService(directory);
  };

  const apply = async (wanted: BridgeSettings, released: readonly string[] = []): Promise<void> => {
    await mkdir(directory, { recursive: true, mode: 0o711 });
    await applyLinks(wanted, wanted.hwaddr ?? (await chosenHwaddr(directory)), released);
    await allDone(
      applyNft(firewallRules(wanted)),
      inOrder(() => applyService(wanted)),
    );
  };

  const stop = async (): Promise<void> => {
    await allDone(
      inOrder(() => stopService(directory)),
      applyNft(deleteNftTable('inet', tableOf(name))),
    );
    await removeLinks(settings);
  };

  const start = async (): Promise<void> => {
    await using undo = new UndoStack();
    if (!linkExists(name)) undo.add(`stop network ${name}`, stop);
    await apply(settings);
    undo.commit();
  };

  return {
    name,

    async create() {
      if (linkExists(name)) throw conflict(`An interface called "${name}" exists on this host already`);
      await using undo = new UndoStack();
      if (!(await exists(directory))) {
        undo.add(`remove ${directory}`, () => rm(directory, { recursive: true, force: true }));
      }
      await mkdir(directory, { recursive: true, mode: 0o711 });
      await chosenHwaddr(directory);
      undo.commit();
    },

    start,
    stop,

    async delete() {
      await rm(directory, { recursive: true, force: true });
    },

    async rename(newName) {
      validateName(newName);
      const newDirectory = join(dirname(directory), newName);
      if (linkExists(newName)) throw conflict(`An interface called "${newName}" exists on this host already`);
      if (await exists(newDirectory)) throw conflict(`The directory ${newDirectory} exists already`);
      const renamed = openBridge({ ...spec, name: newName, directory: newDirectory, config });
      const running = linkExists(name);
      await using undo = new UndoStack();
      if (running) undo.add(`start network ${name}`, start);
      await stop();
      undo.add(`move ${newDirectory} back`, () => renameFile(newDirectory, directory));
      await renameFile(directory, newDirectory);
      if (running) await renamed.start();
      undo.commit();
    },

    async update(newConfig: Config) {
      const before = settings;
      const after = readSettings(name, newConfig);
      const released = (from: BridgeSettings, to: BridgeSettings): string[] =>
        from.externalInterfaces.filter((link) => !to.externalInterfaces.includes(link));
      if (linkExists(name)) {
        await using undo = new UndoStack();
        undo.add(`restore network ${name}`, () => apply(before, released(after, before)));
        await apply(after, released(before, after));
        undo.commit();
      }
      config = newConfig;
      settings = after;
    },

    setReservations: (reservations) =>
      inOrder(async () => {
        await mkdir(directory, { recursive: true, mode: 0o711 });
        await keepReservations(directory, reservations);
        if (await writeHosts(settings)) await reloadService(directory);
      }),

    async leases() {
      return networkLeases(settings, await readReservations(directory), await readLeaseFile(files.leases));
    },

    forgetLeases(hwaddr) {
      forgotten.add(hwaddr.toLowerCase());
      return inOrder(async () => {
        // The server keeps leases in memory and reads the file only at its start: one restart serves all who wait.
        const hwaddrs = new Set(forgotten);
        forgotten.clear();
        const remaining = async () => withoutLeases((await readLeaseFile(files.leases)) ?? '', hwaddrs);
        if ((await remaining()) === undefined) return;
        const running = await stopService(directory);
        const text = await remaining();
        if (text !== undefined) await replaceFile(files.leases, text);
        if (running) await ensureService(directory, dnsmasqConfig(settings, directory), settings.raw);
      });
    },

    async state() {
      return linkState(name);
    },

    nicPreset: () => ({ nictype: 'bridged', parent: name, mtu: `${settings.mtu}` }),
  };
};
