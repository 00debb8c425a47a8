import type { NetworkLease as Lease, NetworkState } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { formatFlag, targetFlag } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { bytes } from '../../output/units.ts';
import { required } from '../common/object.ts';
import { isClustered, onMember } from '../server.ts';
import { leaseShape } from './shape.ts';

const stateLines = (name: string, state: NetworkState): string[] => {
  const { addresses, counters, bond, bridge, vlan, ovn } = state;
  const lines = [
    `Name: ${name}`,
    `MAC address: ${state.hwaddr}`,
    `MTU: ${state.mtu}`,
    `State: ${state.state}`,
    `Type: ${state.type}`,
  ];
  if (addresses && addresses.length > 0) {
    lines.push('', 'IP addresses:');
    lines.push(
      ...addresses.map(({ family, address, netmask, scope }) => `  ${family}\t${address}/${netmask} (${scope})`),
    );
  }
  lines.push(
    '',
    'Network usage:',
    `  Bytes received: ${bytes(counters.bytes_received, 2)}`,
    `  Bytes sent: ${bytes(counters.bytes_sent, 2)}`,
    `  Packets received: ${counters.packets_received}`,
    `  Packets sent: ${counters.packets_sent}`,
  );
  if (bond) {
    lines.push(
      '',
      'Bond:',
      `  Mode: ${bond.mode}`,
      `  Transmit policy: ${bond.transmit_policy}`,
      `  Up delay: ${bond.up_delay}`,
      `  Down delay: ${bond.down_delay}`,
      `  MII Frequency: ${bond.mii_frequency}`,
      `  MII state: ${bond.mii_state}`,
      `  Lower devices: ${bond.lower_devices.join(', ')}`,
    );
  }
  if (bridge) {
    lines.push(
      '',
      'Bridge:',
      `  ID: ${bridge.id}`,
      `  STP: ${bridge.stp}`,
      `  Forward delay: ${bridge.forward_delay}`,
      `  Default VLAN ID: ${bridge.vlan_default}`,
      `  VLAN filtering: ${bridge.vlan_filtering}`,
      `  Upper devices: ${(bridge.upper_devices ?? []).join(', ')}`,
    );
  }
  if (vlan) lines.push('', 'VLAN:', `  Lower device: ${vlan.lower_device}`, `  VLAN ID: ${vlan.vid}`);
  if (ovn) lines.push('', 'OVN:', `  Chassis: ${ovn.chassis}`);
  return lines;
};

export const networkInfo = command({
  use: '[<remote>:]<network>',
  short: 'Get runtime information on networks',
  args: [1, 1],
  flags: { target: targetFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    const server = await onMember(client, flags.target);
    const { value } = await server.get<NetworkState>(['networks', required(name, 'network name'), 'state']);
    out(`${stateLines(name, value).join('\n')}\n`);
  },
});

export const networkListLeases = command({
  use: '[<remote>:]<network>',
  short: 'List DHCP leases',
  args: [1, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    const [{ value }, clustered] = await Promise.all([
      client.get<Lease[] | null>(['networks', required(name, 'network name'), 'leases']),
      isClustered(client),
    ]);
    const leases = value ?? [];
    printListing(flags.format, {
      header: ['HOSTNAME', 'MAC ADDRESS', 'IP ADDRESS', 'TYPE', ...(clustered ? ['LOCATION'] : [])],
      rows: leases
        .map(({ hostname, hwaddr, address, type, location }) => [
          hostname,
          hwaddr,
          address,
          type.toUpperCase(),
          ...(clustered ? [location] : []),
        ])
        .sort(compareRows),
      data: leases,
      shape: { list: leaseShape },
    });
  },
});
