import type {
  InstanceBackup as Backup,
  InstanceFull,
  InstanceState,
  InstanceStateNetwork as NetworkInterface,
  InstanceSnapshot as Snapshot,
} from '@lxd-ts/api';
import type { Client } from '@lxd-ts/client';
import { command } from '../../command/command.ts';
import { bool, targetFlag } from '../../command/flags.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { drawTable } from '../../output/table.ts';
import { isSet, minute } from '../../output/time.ts';
import { bytes, bytesIec } from '../../output/units.ts';

const yesNo = (value: boolean): string => (value ? 'YES' : 'NO');
const when = (time: string): string => (isSet(time) ? minute(time) : '');

const networkLines = (name: string, network: NetworkInterface): string[] => {
  const { counters } = network;
  const lines = [`    ${name}:`, `      Type: ${network.type ?? ''}`, `      State: ${network.state.toUpperCase()}`];
  if (network.host_name) lines.push(`      Host interface: ${network.host_name}`);
  if (network.hwaddr) lines.push(`      MAC address: ${network.hwaddr}`);
  if (network.mtu) lines.push(`      MTU: ${network.mtu}`);
  lines.push(
    `      Bytes received: ${bytes(counters.bytes_received, 2)}`,
    `      Bytes sent: ${bytes(counters.bytes_sent, 2)}`,
    `      Packets received: ${counters.packets_received}`,
    `      Packets sent: ${counters.packets_sent}`,
    '      IP addresses:',
    ...network.addresses.map(
      ({ family, address, netmask, scope }) => `        ${`${family}:`.padEnd(6)} ${address}/${netmask} (${scope})`,
    ),
  );
  return lines;
};

const usageLines = (state: InstanceState): string[] => {
  const lines = ['', 'Resources:', `  Processes: ${state.processes}`];
  const disks = Object.entries(state.disk ?? {}).filter(([, { usage }]) => usage !== 0);
  if (disks.length > 0) {
    lines.push('  Disk usage:', ...disks.sort().map(([name, { usage }]) => `    ${name}: ${bytesIec(usage, 2)}`));
  }
  if (state.cpu.usage !== 0) {
    lines.push('  CPU usage:', `    CPU usage (in seconds): ${Math.trunc(state.cpu.usage / 1e9)}`);
  }
  const { usage, usage_peak, swap_usage, swap_usage_peak } = state.memory;
  const memory: [string, number][] = [
    ['Memory (current)', usage],
    ['Memory (peak)', usage_peak],
    ['Swap (current)', swap_usage],
    ['Swap (peak)', swap_usage_peak],
  ];
  const used = memory.filter(([, value]) => value !== 0);
  if (used.length > 0) {
    lines.push('  Memory usage:', ...used.map(([name, value]) => `    ${name}: ${bytesIec(value, 2)}`));
  }
  const networks = Object.entries(state.network ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  if (networks.length > 0) {
    lines.push('  Network usage:', ...networks.flatMap(([name, network]) => networkLines(name, network)));
  }
  return lines;
};

const snapshotTable = (snapshots: readonly Snapshot[]): string =>
  drawTable({
    header: ['NAME', 'TAKEN AT', 'EXPIRES AT', 'STATEFUL'],
    rows: snapshots.map((snapshot) => [
      snapshot.name.split('/').pop() ?? '',
      when(snapshot.created_at),
      when(snapshot.expires_at),
      yesNo(snapshot.stateful),
    ]),
  });

const backupTable = (backups: readonly Backup[]): string =>
  drawTable({
    header: ['NAME', 'TAKEN AT', 'EXPIRES AT', 'INSTANCE ONLY', 'OPTIMIZED STORAGE'],
    rows: backups
      .map((backup) => [
        backup.name.split('/').pop() ?? '',
        when(backup.created_at),
        when(backup.expires_at),
        yesNo(backup.instance_only),
        yesNo(backup.optimized_storage),
      ])
      .sort(compareRows),
  });

const showInstance = async (client: Client, name: string, showLog: boolean): Promise<void> => {
  const { value: instance } = await client.get<InstanceFull>(['instances', name], { recursion: 1 });
  const { state, snapshots, backups } = instance;
  const lines = [
    `Name: ${instance.name}`,
    `Status: ${instance.status.toUpperCase()}`,
    `Type: ${instance.type}${instance.ephemeral ? ' (ephemeral)' : ''}`,
    `Architecture: ${instance.architecture}`,
  ];
  if (instance.location !== '' && instance.location !== 'none') lines.push(`Location: ${instance.location}`);
  if (state && state.pid !== 0) lines.push(`PID: ${state.pid}`);
  if (isSet(instance.created_at)) lines.push(`Created: ${minute(instance.created_at)}`);
  if (isSet(instance.last_used_at)) lines.push(`Last Used: ${minute(instance.last_used_at)}`);
  if (state && state.pid !== 0) lines.push(...usageLines(state));
  out(`${lines.join('\n')}\n`);
  if (snapshots && snapshots.length > 0) out(`\nSnapshots:\n${snapshotTable(snapshots)}`);
  if (backups && backups.length > 0) out(`\nBackups:\n${backupTable(backups)}`);
  if (showLog) {
    const file = instance.type === 'virtual-machine' ? 'qemu.log' : 'lxc.log';
    const { readBody } = await import('../common/raw.ts');
    out(`\nLog:\n\n${await readBody(client, ['instances', name, 'logs', file])}\n`);
  }
};

export const info = command({
  use: '[<remote>:][<instance>]',
  short: 'Show instance or server information',
  examples: `lxc info [<remote>:]<instance> [--show-log]
    For instance information.

lxc info [<remote>:] [--resources]
    For LXD server information.`,
  args: [0, 1],
  flags: {
    resources: bool('Show the resources available to the server'),
    'show-log': bool("Show the instance's last 100 log lines?"),
    target: targetFlag,
  },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client, name } = await cli.locate(text);
    if (name !== '') {
      if (flags.target !== '') {
        const { UserError } = await import('../../command/errors.ts');
        throw new UserError('--target cannot be used with instances');
      }
      return showInstance(client, name, flags['show-log']);
    }
    const server = await (await import('../server.ts')).onMember(client, flags.target);
    if (flags.resources) return (await import('../resources.ts')).showResources(server);
    await (await import('../server-info.ts')).showServer(server);
  },
});
