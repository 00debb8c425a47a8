import type { Client } from '@lxd-ts/client';
import { command, type Leaf } from '../../command/command.ts';
import type { Config } from '../../shapes/types.ts';
import { attachDevice, detachDevice, type Owner } from '../common/attach.ts';
import { required } from '../common/object.ts';

/** The NIC that joins something to a network: by the network if LXD manages it, else to the interface of that name. */
const nic = async (client: Client, network: string, interfaceName: string | undefined): Promise<Config> => {
  const { value } = await client.get<{ managed: boolean; type: string }>(['networks', network]);
  const own: Config = interfaceName === undefined ? {} : { name: interfaceName };
  if (value.managed) return { ...own, network, type: 'nic' };
  return { ...own, nictype: value.type === 'bridge' ? 'bridged' : 'macvlan', parent: network, type: 'nic' };
};

const attachCommand = (owner: Owner, noun: string, short: string, title = short): Leaf =>
  command({
    use: `[<remote>:]<network> <${noun}> [<device name>] [<interface name>]`,
    short,
    title,
    args: [2, 4],
    run: async (cli, { args: [text = '', name = '', device, interfaceName] }) => {
      const { client, name: network } = await cli.locate(text);
      const properties = await nic(client, required(network, 'network name'), interfaceName);
      await attachDevice(cli, client, owner, name, device ?? network, properties);
    },
  });

const detachCommand = (owner: Owner, noun: string, short: string): Leaf =>
  command({
    use: `[<remote>:]<network> <${noun}> [<device name>]`,
    short,
    args: [2, 3],
    run: async (cli, { args: [text = '', name = '', device] }) => {
      const { client, name: network } = await cli.locate(text);
      required(network, 'network name');
      await detachDevice(cli, client, owner, name, device, {
        what: 'network',
        matches: (found) => found.type === 'nic' && (found.parent === network || found.network === network),
      });
    },
  });

const nics = 'network interfaces';

export const networkAttach = attachCommand(
  'instances',
  'instance',
  `Attach ${nics} to instances`,
  `Attach new ${nics} to instances`,
);
export const networkAttachProfile = attachCommand('profiles', 'profile', `Attach ${nics} to profiles`);
export const networkDetach = detachCommand('instances', 'instance', `Detach ${nics} from instances`);
export const networkDetachProfile = detachCommand('profiles', 'profile', `Detach ${nics} from profiles`);
