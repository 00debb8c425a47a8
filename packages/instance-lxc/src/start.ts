import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import {
  type Attachment,
  type Config,
  conflict,
  internal,
  type Machine,
  messageOf,
  UndoStack,
  type Work,
} from '@lxd-ts/driver-kit';
import { type Argv, cpuset, isErrno, run } from '@lxd-ts/host';
import { runNativeOnly } from './attach-client.ts';
import { cleanUp } from './cleanup.ts';
import { containerSettings } from './config/container.ts';
import { seccompProfile } from './config/seccomp.ts';
import { renderSettings, type Setting } from './config/settings.ts';
import { initialCpus } from './cpu-balance.ts';
import { makeNode } from './device-node.ts';
import { hostFacts } from './host-facts.ts';
import { interceptCalls, stopIntercepting } from './intercept.ts';
import { interceptionRules } from './interception/rules.ts';
import { earlyLimits } from './limits.ts';
import { connectMonitor, type MonitorConnection } from './monitor.ts';
import { type Place, placeOf, toolOptions } from './place.ts';
import { makeRootDirectories } from './root-directories.ts';
import { serverKind } from './server-kind.ts';
import { stageMounts, unstage } from './staging.ts';

const LOG_LINES = 10;
const START_TIMEOUT_MS = 60_000;
const CANCEL_TIMEOUT_MS = 2000;

/** The parts of liblxc that only repeat that something has failed. */
const repeaters = new Set(['lxc_start', 'lxccontainer', 'sync']);

/** The last lines of liblxc's log that tell of an error, without time stamps and source positions. */
const logTail = async (place: Place): Promise<string> => {
  let text: string;
  try {
    text = await readFile(place.log, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
  const errors = text.split('\n').flatMap((line) => {
    const [, part, message] = /\s(?:ERROR|CRIT|ALERT|FATAL)\s+(\S+) - \S+ - (.*)$/.exec(line) ?? [];
    return part === undefined || message === undefined ? [] : [{ part, message }];
  });
  const causes = errors.filter(({ part }) => !repeaters.has(part));
  return (causes.length > 0 ? causes : errors)
    .slice(-LOG_LINES)
    .map(({ message }) => message)
    .join('; ');
};

const keepOldLog = async (path: string): Promise<void> => {
  try {
    await rename(path, `${path}.old`);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
};

/** Limits, as liblxc sets them before init starts. */
const cgroupSettings = (config: Config): Setting[] => {
  const cpus = initialCpus(config);
  return [...earlyLimits(config), ...(cpus === undefined ? [] : cpuset({ cpus }))].map(({ version, file, value }) => [
    `lxc.cgroup${version === 2 ? '2' : ''}.${file}`,
    value,
  ]);
};

const writeConfiguration = async (
  machine: Machine,
  place: Place,
  attachments: readonly Attachment[],
): Promise<void> => {
  const seccomp = seccompProfile(machine.config, interceptionRules(machine));
  const settings = await containerSettings(
    machine,
    place,
    attachments,
    await hostFacts(),
    seccomp !== undefined,
    cgroupSettings(machine.config),
  );
  const raw = machine.config['raw.lxc'];
  await Promise.all([
    writeFile(place.config, renderSettings(settings) + (raw ? `${raw}\n` : ''), { mode: 0o600 }),
    seccomp === undefined ? rm(place.seccomp, { force: true }) : writeFile(place.seccomp, seccomp, { mode: 0o600 }),
  ]);
};

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

/** Runs lxc-start. @throws the signal's reason; what it has begun is left to `cleanUp` then */
const runLxcStart = async (machine: Machine, place: Place, signal: AbortSignal): Promise<void> => {
  const options = ['-f', place.config, '-o', place.log, '-l', 'warn', '-d'];
  const argv: Argv = ['lxc-start', ...toolOptions(place), ...options];
  if (serverKind(machine).nativeOnly) await Promise.race([runNativeOnly(argv), aborted(signal)]);
  // The monitor keeps neither directory nor variables of the caller.
  else await run(argv, { cwd: '/', stdout: 'ignore', debianPackage: 'lxc', signal });
};

/**
 * Ends a start that takes too long: liblxc waits for ever for a container whose own filter stops it half way. One that is
 * cancelled may finish first, for a moment: it is easier to clear than one that goes on by itself.
 */
const startLimit = (cancelled: AbortSignal | undefined): { readonly signal: AbortSignal } & Disposable => {
  const controller = new AbortController();
  const end = () => controller.abort();
  const timers = [setTimeout(end, START_TIMEOUT_MS)];
  const hurry = () => timers.push(setTimeout(end, CANCEL_TIMEOUT_MS));
  cancelled?.addEventListener('abort', hurry, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const timer of timers) clearTimeout(timer);
      cancelled?.removeEventListener('abort', hurry);
    },
  };
};

const launch = async (machine: Machine, place: Place, { signal }: Work): Promise<MonitorConnection> => {
  using limit = startLimit(signal);
  try {
    await runLxcStart(machine, place, limit.signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (limit.signal.aborted) {
      throw internal(`Instance "${machine.name}" did not start within ${START_TIMEOUT_MS / 1000} seconds`);
    }
    const log = await logTail(place);
    throw internal(`Instance "${machine.name}" failed to start: ${log === '' ? messageOf(error) : log}`, {
      cause: error,
    });
  }
  const monitor = await connectMonitor(place.commandSocket);
  if (monitor) return monitor;
  const log = await logTail(place);
  throw internal(`Instance "${machine.name}" stopped right after its start${log === '' ? '' : `: ${log}`}`);
};

/**
 * Starts a container: writes its configuration, lets lxc-start(1) leave a monitor behind, connects to that.
 *
 * @throws LxdError with the last errors of liblxc's log; nothing of the container is left then
 */
export const startContainer = async (
  machine: Machine,
  attachments: readonly Attachment[],
  work: Work = {},
): Promise<MonitorConnection> => {
  const place = placeOf(machine);
  work.signal?.throwIfAborted();
  await using undo = new UndoStack();
  const other = await connectMonitor(place.commandSocket);
  if (other) {
    other.close();
    throw conflict(`Instance "${machine.name}" is running already`);
  }
  await mkdir(place.lxcPath, { recursive: true });
  await cleanUp(machine);
  undo.add(`clean up after instance "${machine.name}"`, () => cleanUp(machine));
  const staged = await stageMounts(machine, attachments);
  await Promise.all([
    keepOldLog(place.log),
    rm(place.consoleLog, { force: true }),
    Promise.resolve().then(() => makeRootDirectories(machine)),
    writeConfiguration(machine, place, staged),
    ...attachments.filter((attachment) => attachment.kind === 'node').map((node) => makeNode(machine, node)),
  ]);
  undo.add('serve no more system calls', () => stopIntercepting(place));
  await interceptCalls(machine, place);
  const monitor = await launch(machine, place, work);
  await unstage(machine, await readdir(machine.devices));
  if (work.signal?.aborted) {
    process.kill(monitor.initPid, 'SIGKILL');
    await monitor.gone;
    throw work.signal.reason;
  }
  undo.commit();
  return monitor;
};
