import type { InstanceFull } from '@lxd-ts/api';
import { describe, expect, it } from 'vitest';
import { parseColumns } from './columns.ts';
import { selects, serverFilter } from './filter.ts';

const instance: InstanceFull = {
  name: 'web-1',
  architecture: 'x86_64',
  config: { 'user.a': 'b' },
  expanded_config: {
    'user.a': 'b',
    'security.privileged': 'true',
    'limits.memory': '100MiB',
    'volatile.eth0.hwaddr': '00:16:3e:00:00:01',
  },
  devices: {},
  expanded_devices: { eth0: { type: 'nic', network: 'lxdbr0' }, root: { type: 'disk', path: '/', pool: 'fast' } },
  ephemeral: true,
  profiles: ['default', 'web'],
  stateful: false,
  description: 'a web server',
  created_at: '2026-11-22T00:05:18Z',
  last_used_at: '1970-01-01T00:00:00Z',
  location: 'none',
  project: 'default',
  status: 'Running',
  status_code: 103,
  type: 'container',
  backups: null,
  snapshots: [],
  state: {
    status: 'Running',
    status_code: 103,
    disk: { root: { usage: 16384, total: 0 } },
    memory: { usage: 10485760, usage_peak: 0, total: 0, swap_usage: 0, swap_usage_peak: 0 },
    network: {
      eth0: {
        addresses: [
          { family: 'inet', address: '10.0.0.5', netmask: '24', scope: 'global' },
          { family: 'inet6', address: 'fe80::1', netmask: '64', scope: 'link' },
        ],
        counters: {
          bytes_received: 0,
          bytes_sent: 0,
          packets_received: 0,
          packets_sent: 0,
          errors_received: 0,
          errors_sent: 0,
          packets_dropped_outbound: 0,
          packets_dropped_inbound: 0,
        },
        hwaddr: '',
        host_name: '',
        mtu: 1500,
        state: 'up',
        type: 'broadcast',
      },
    },
    pid: 42,
    processes: 3,
    cpu: { usage: 2_500_000_000 },
  },
};

const shown = (columns: string): string[] => parseColumns(columns, true).map((column) => column.show(instance));

describe('columns of a list', () => {
  it('show what their letters stand for', () => {
    expect(shown('n46abdDeflLmMNpPsStu')).toEqual([
      'web-1',
      '10.0.0.5 (eth0)',
      '',
      'x86_64',
      'fast',
      'a web server',
      '16.00KiB',
      'default',
      '',
      '',
      'none',
      '10.00MiB',
      '10.0%',
      '3',
      '42',
      'default\nweb',
      'RUNNING',
      '0',
      'CONTAINER (EPHEMERAL)',
      '2s',
    ]);
  });

  it('may be configuration and device keys, with a name and a width', () => {
    const columns = parseColumns('n,user.a:A,config:security.privileged,devices:eth0.network:NET:3', true);
    expect(columns.map(({ name }) => name)).toEqual(['NAME', 'A', 'SECURITY PRIVILEGED', 'NET']);
    expect(columns.map((column) => column.show(instance))).toEqual(['web-1', 'b', 'true', 'lxd']);
  });

  it.each([
    ['nz', "Unknown column shorthand char 'z' in 'nz'"],
    ['n,,s', "Empty column entry (redundant, leading or trailing command) in 'n,,s'"],
    ['n,user.a:X:y', "Invalid max width (must be an integer) 'y' in 'user.a:X:y'"],
    ['n,user.a:X:-2', "Invalid max width (must -1, 0 or a positive integer) '-2' in 'user.a:X:-2'"],
    ['n,user.a:b:c:d', "Invalid config key column format (too many fields): 'user.a:b:c:d'"],
    ['n,config:user.a:', "Invalid name in 'config:user.a:', empty string is only allowed when defining maxWidth"],
  ])('are refused: %s', (text, message) => {
    expect(() => parseColumns(text, true)).toThrow(message);
  });

  it('show the location only in a cluster', () => {
    expect(parseColumns('ns46tSL', false).map(({ name }) => name)).not.toContain('LOCATION');
    expect(() => parseColumns('nL', false)).toThrow("Can't specify column L when not clustered");
  });
});

describe('[02.13 02.14] filters of a list', () => {
  it.each([
    'web',
    'web-.*',
    '.*1$',
    'web-1',
    'user.a=b',
    'u.a=b',
    's.privileged=true',
    'user.a=*',
    'volatile.eth0.hwaddr=00:16:3e:.*',
    'type=CONTAINER',
    'status=stopped,running',
    'architecture=x86_64',
    'location=none',
    'ipv4=10.0.0.0/24',
    'ipv4=10.0.0.5',
    'name=web-1',
  ])('%s selects it', (filter) => {
    expect(selects([filter], instance)).toBe(true);
  });

  it.each([
    'WEB',
    'eb-1',
    'user.a',
    'u.x=b',
    'user.a=c',
    'type=virtual-machine',
    'ipv4=10.1.0.0/16',
    'ipv6=fe80::2',
    '[',
  ])('%s does not', (filter) => {
    expect(selects([filter], instance)).toBe(false);
  });

  it('must all be satisfied, and the server is asked for what it can tell apart', () => {
    expect(selects(['web', 'user.a=c'], instance)).toBe(false);
    expect(serverFilter(['web', 'type=container', 'status=running', 'status=a,b'])).toBe(
      'type eq container and status eq running',
    );
  });
});
