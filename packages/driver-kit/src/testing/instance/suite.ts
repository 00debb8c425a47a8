import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { IdMap } from '@lxd-ts/host';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Config } from '../../config.ts';
import type { Attachment } from '../../device/contract.ts';
import { isKind } from '../../errors.ts';
import type { ExecRequest, ExecSession, InstanceDriver, Machine, RunningInstance } from '../../instance/contract.ts';
import { makeBusyboxRoot } from '../busybox-root.ts';
import { type TestContext, testContext } from '../context.ts';

/** One kind of machine; the whole suite runs on each. */
export interface InstanceForm {
  /** What is special about it: `unprivileged`. */
  readonly title: string;
  readonly config?: Config;
  readonly idmap?: IdMap;
  readonly diskIdmap?: IdMap;
  /**
   * Fills the machine's volume. Default: the root file system of `makeBusyboxRoot` in `<path>/rootfs`. Another one must have its
   * commands, and an init that says `booted` on the console, halts and reboots when asked, and answers a line `x` there with `heard x`.
   */
  readonly fill?: (path: string) => Promise<void>;
}

export interface InstanceConformanceOptions {
  readonly driver: InstanceDriver;
  readonly forms: readonly [InstanceForm, ...InstanceForm[]];
  /** Where another process imports the driver from, to prove that instances outlive the process that started them. */
  readonly module: { readonly url: string; readonly name: string };
}

/** The result of a command that has ended. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the groups of tests share. */
export interface InstanceSuite {
  readonly driver: InstanceDriver;
  readonly form: InstanceForm;
  readonly module: InstanceConformanceOptions['module'];
  readonly context: () => TestContext;
  /** A machine with a volume of its own, not running. */
  readonly newMachine: (config?: Config) => Promise<Machine>;
  /** Starts a machine; whatever still runs after the test is killed. */
  readonly start: (machine?: Machine, attachments?: readonly Attachment[]) => Promise<RunningInstance>;
  /** Has an instance that somebody else started killed after the test. */
  readonly adopt: (instance: RunningInstance) => RunningInstance;
}

/** What a command gets unless the test says otherwise. */
export const request = (command: readonly [string, ...string[]], changes: Partial<ExecRequest> = {}): ExecRequest => ({
  command,
  environment: { PATH: '/sbin:/bin:/usr/sbin:/usr/bin' },
  cwd: '/',
  uid: 0,
  gid: 0,
  ...changes,
});

/** Waits for the end of a command and collects what it wrote. */
export const collect = async (session: ExecSession, input = ''): Promise<Outcome> => {
  session.stdin.end(input);
  const [stdout, stderr, status] = await Promise.all([
    text(session.stdout),
    session.stderr ? text(session.stderr) : '',
    session.exit,
  ]);
  return { status, stdout, stderr };
};

/** Runs a shell script in an instance. */
export const sh = async (
  instance: RunningInstance,
  script: string,
  changes: Partial<ExecRequest> = {},
): Promise<Outcome> => collect(await instance.exec(request(['sh', '-c', script], changes)));

/** Runs a shell script and gives what it wrote, without the last line end. */
export const output = async (instance: RunningInstance, script: string): Promise<string> => {
  const { status, stdout, stderr } = await sh(instance, script);
  if (status !== 0) throw new Error(`exit status ${status}: ${stderr}`);
  return stdout.trimEnd();
};

let count = 0;

/** Sets a suite up for one form, inside a `describe`. */
export const makeSuite = (options: InstanceConformanceOptions, form: InstanceForm): InstanceSuite => {
  let context: TestContext | undefined;
  const running = new Set<RunningInstance>();
  const theContext = (): TestContext => {
    if (!context) throw new Error('the context exists only while tests run');
    return context;
  };
  beforeAll(async () => {
    context = await testContext('instance');
    // The root user of an unprivileged instance has to get through.
    await chmod(context.directory, 0o711);
  });
  afterAll(async () => {
    await context?.[Symbol.asyncDispose]();
  });
  const adopt = (instance: RunningInstance): RunningInstance => {
    running.add(instance);
    return instance;
  };
  afterEach(async () => {
    for (const instance of running) {
      running.delete(instance);
      await instance.kill().catch((error: unknown) => {
        if (!isKind(error, 'conflict')) throw error;
      });
    }
  });
  const newMachine = async (config: Config = {}): Promise<Machine> => {
    const name = `conform-${process.pid}-${count++}`;
    const at = (kind: string) => join(theContext().directory, kind, name);
    const machine: Machine = {
      name,
      project: 'default',
      handle: name,
      architecture: 'x86_64',
      config: { ...form.config, ...config },
      path: at('containers'),
      logs: at('logs'),
      devices: at('devices'),
      ...(form.idmap ? { idmap: form.idmap } : {}),
      ...(form.diskIdmap ? { diskIdmap: form.diskIdmap } : {}),
    };
    for (const directory of [machine.path, machine.logs, machine.devices]) await mkdir(directory, { recursive: true });
    await (form.fill ?? ((path) => makeBusyboxRoot(join(path, 'rootfs'))))(machine.path);
    return machine;
  };
  return {
    driver: options.driver,
    form,
    module: options.module,
    context: theContext,
    newMachine,
    adopt,
    start: async (machine, attachments = []) =>
      adopt(await options.driver.start(machine ?? (await newMachine()), attachments)),
  };
};
