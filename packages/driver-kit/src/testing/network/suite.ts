import { randomBytes } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { applyIp, deleteLink, linkExists, listLinks, run } from '@lxd-ts/host';
import type { Config } from '../../config.ts';
import type { DeviceDriver } from '../../device/contract.ts';
import type { Network, NetworkDriver, NetworkSpec } from '../../network/contract.ts';
import { type TestContext, testContext } from '../context.ts';
import { type Guest, startGuest } from './guest.ts';
import { nicContext, type TestNetwork, testNetwork } from './nic-context.ts';

export interface NetworkConformanceOptions {
  readonly driver: NetworkDriver;
  /** The driver of the NICs that join its networks. */
  readonly nic: DeviceDriver;
  /** What a network needs beside the defaults, such as a `parent` made by the test file. */
  readonly config?: Config;
  /** Keys that a running network can change, with new values. */
  readonly change: Config;
  /** Valid by its keys, but refused by an update of a running network. */
  readonly refused?: Config;
  /** A key that networks of other types have, and this one has not. */
  readonly foreignKey: string;
}

/** What is on the host that a network could leave there. */
export const hostThings = async (
  directory: string,
): Promise<{ links: string[]; rules: string; processes: string }> => ({
  links: listLinks()
    .map(({ name }) => name)
    .sort(),
  rules: (await run(['nft', 'list', 'ruleset'])).stdout,
  // pgrep exits with 1 when it finds none.
  processes: await run(['pgrep', '--full', '--list-full', directory]).then(
    ({ stdout }) => stdout,
    () => '',
  ),
});

/** A running network in a directory of its own, and guests on it. All of it goes at the end. */
export interface Setting extends AsyncDisposable {
  readonly context: TestContext;
  readonly spec: NetworkSpec;
  readonly config: Config;
  readonly network: Network;
  /** The network as NICs see it. */
  readonly test: TestNetwork;
  /** A guest with a NIC `eth0` on the network, called `instance`. */
  guest(instance: string, config?: Config): Promise<Guest & { readonly hwaddr: string; readonly volatile: Config }>;
}

/** A name that no other test uses. */
export const networkName = (): string => `t${randomBytes(4).toString('hex')}`;

/** Starts a network with the driver's defaults and the given configuration. */
export const startNetwork = async (
  { driver, nic, config: base }: Pick<NetworkConformanceOptions, 'driver' | 'nic' | 'config'>,
  given: Config = {},
): Promise<Setting> => {
  const context = await testContext('lxd-ts-network');
  // Services of a network run without privileges and must be able to enter.
  await chmod(context.directory, 0o755);
  const name = networkName();
  const config = await driver.fill(name, { ...base, ...given }, { usedSubnets: async () => [] });
  driver.validate(name, config);
  const spec: NetworkSpec = {
    name,
    project: 'default',
    config,
    directory: join(context.directory, 'networks', name),
    logs: context.directory,
  };
  const network = driver.open(spec);
  context.defer(`remove network ${name}`, async () => {
    await network.stop();
    await network.delete();
  });
  const test = testNetwork(network, driver.name, config);
  try {
    await network.create();
    await network.start();
  } catch (error) {
    await context[Symbol.asyncDispose]();
    throw error;
  }
  return {
    context,
    spec,
    config,
    network,
    test,
    async guest(instance, nicConfig = {}) {
      const guest = await startGuest();
      context.defer(`end ${instance}`, async () => guest[Symbol.asyncDispose]());
      const device = { name: 'eth0', config: { network: name, ...nicConfig } };
      nic.validate(device, 'container');
      const { attachments, volatile = {} } = await nic.start(device, nicContext({ [name]: test }, instance, 'eth0'));
      context.defer(`stop the NIC of ${instance}`, async () => {
        await nic.stop(device, nicContext({ [name]: test }, instance, 'eth0', volatile));
      });
      const [attachment] = attachments;
      if (attachment?.kind !== 'nic') throw new Error('The NIC has no link for the instance');
      await guest.attach(attachment);
      return { ...guest, hwaddr: attachment.hwaddr ?? '', volatile };
    },
    [Symbol.asyncDispose]: () => context[Symbol.asyncDispose](),
  };
};

/** Removes a link a test made, if it is still there. */
export const discardLink = async (name: string): Promise<void> => {
  if (linkExists(name)) await applyIp(deleteLink(name));
};
