import { type ConfigKey, isExpiry, isSchedule, scheduleAliases } from '@lxd-ts/driver-kit';
import { isIdMap } from './checks.ts';
import { instanceLimitKeys } from './instance-limit-keys.ts';
import { instanceSecurityKeys } from './instance-security-keys.ts';
import { instanceVolatileKeys } from './instance-volatile-keys.ts';

/** The configuration of an instance, and of a profile. */
export const instanceKeys: readonly ConfigKey[] = [
  {
    key: 'agent.nic_config',
    type: 'bool',
    default: 'false',
    condition: 'virtual-machine',
    description: 'Have the guest agent copy device names and MTUs onto guest NICs (implicit for containers)',
  },
  {
    key: 'cluster.evacuate',
    type: 'string',
    default: 'auto',
    values: ['auto', 'migrate', 'live-migrate', 'stop'],
    description: 'Action when the cluster member is evacuated: auto, migrate, live-migrate or stop',
  },
  {
    key: 'environment.*',
    type: 'string',
    live: true,
    description: 'Environment variable handed to the instance and to each exec session',
  },
  {
    key: 'linux.kernel_modules',
    type: 'list',
    live: true,
    condition: 'container',
    description: 'Comma-separated host kernel modules loaded ahead of start',
  },
  {
    key: 'linux.sysctl.*',
    type: 'string',
    condition: 'container',
    description: 'Overrides the named sysctl inside the container',
  },
  { key: 'user.*', type: 'string', description: 'Free user metadata, usable as a search filter' },
  { key: 'image.*', type: 'string', internal: true, description: 'Properties carried over from the source image' },

  {
    key: 'boot.autostart',
    type: 'bool',
    description: 'Start at daemon startup; unset means return to the last power state',
  },
  {
    key: 'boot.autostart.delay',
    type: 'integer',
    default: '0',
    min: 0,
    description: "Pause in seconds between this instance's start and the next one",
  },
  { key: 'boot.autostart.priority', type: 'integer', default: '0', description: 'Autostart ordering, highest first' },
  {
    key: 'boot.host_shutdown_timeout',
    type: 'integer',
    default: '30',
    min: 0,
    live: true,
    description: 'Seconds allowed for a clean stop before force-stopping',
  },
  {
    key: 'boot.stop.priority',
    type: 'integer',
    default: '0',
    description: 'Shutdown ordering, highest first; equal values stop in parallel',
  },

  {
    key: 'cloud-init.network-config',
    type: 'blob',
    condition: 'image-dependent',
    description: 'Seed network configuration for cloud-init; DHCP on eth0 when unset',
  },
  {
    key: 'cloud-init.user-data',
    type: 'blob',
    default: '#cloud-config',
    condition: 'image-dependent',
    description: 'Seed user data for cloud-init',
  },
  {
    key: 'cloud-init.vendor-data',
    type: 'blob',
    default: '#cloud-config',
    condition: 'image-dependent',
    description: 'Seed vendor data for cloud-init',
  },
  {
    key: 'user.network-config',
    type: 'blob',
    condition: 'image-dependent',
    description: 'Older name of cloud-init.network-config; DHCP on eth0 when unset',
  },
  {
    key: 'user.user-data',
    type: 'blob',
    default: '#cloud-config',
    condition: 'image-dependent',
    description: 'Older name of cloud-init.user-data',
  },
  {
    key: 'user.vendor-data',
    type: 'blob',
    default: '#cloud-config',
    condition: 'image-dependent',
    description: 'Older name of cloud-init.vendor-data',
  },

  {
    key: 'migration.incremental.memory',
    type: 'bool',
    default: 'false',
    live: true,
    condition: 'container',
    description: 'Pre-copy memory in rounds to shorten downtime',
  },
  {
    key: 'migration.incremental.memory.goal',
    type: 'integer',
    default: '70',
    min: 0,
    max: 100,
    live: true,
    condition: 'container',
    description: 'Synced-memory percentage that ends pre-copy',
  },
  {
    key: 'migration.incremental.memory.iterations',
    type: 'integer',
    default: '10',
    min: 0,
    max: 4_294_967_295,
    live: true,
    condition: 'container',
    description: 'Largest number of pre-copy rounds',
  },
  {
    key: 'migration.stateful',
    type: 'bool',
    default: 'false',
    condition: 'virtual-machine',
    description: 'Permit stateful stop/start, stateful snapshots and live migration; excludes incompatible features',
  },

  {
    key: 'nvidia.driver.capabilities',
    type: 'list',
    default: 'compute,utility',
    condition: 'container',
    description: 'Value of NVIDIA_DRIVER_CAPABILITIES',
  },
  {
    key: 'nvidia.runtime',
    type: 'bool',
    default: 'false',
    condition: 'container',
    description: 'Expose host NVIDIA and CUDA runtime libraries',
  },
  {
    key: 'nvidia.require.cuda',
    type: 'string',
    condition: 'container',
    description: 'CUDA version expression for NVIDIA_REQUIRE_CUDA',
  },
  {
    key: 'nvidia.require.driver',
    type: 'string',
    condition: 'container',
    description: 'Driver version expression for NVIDIA_REQUIRE_DRIVER',
  },

  {
    key: 'raw.apparmor',
    type: 'blob',
    live: true,
    description: 'Rules added to the end of the generated AppArmor profile',
  },
  {
    key: 'raw.idmap',
    type: 'blob',
    condition: 'unprivileged container',
    description: "Extra ID mappings, one 'both|uid|gid <host> <instance>' per line",
    check: isIdMap,
  },
  {
    key: 'raw.lxc',
    type: 'blob',
    condition: 'container',
    description: 'LXC configuration added after the generated one',
  },
  {
    key: 'raw.qemu',
    type: 'blob',
    condition: 'virtual-machine',
    description: 'Arguments added to the QEMU command line',
  },
  {
    key: 'raw.qemu.conf',
    type: 'blob',
    condition: 'virtual-machine',
    description: 'Section-level edits of the generated qemu.conf',
  },
  { key: 'raw.seccomp', type: 'blob', condition: 'container', description: 'Hand-written seccomp policy' },

  {
    key: 'snapshots.schedule',
    type: 'string',
    description: 'Five-field cron expression or comma-separated aliases; empty disables, @never blocks inheritance',
    check: isSchedule([...scheduleAliases, '@startup']),
  },
  {
    key: 'snapshots.schedule.stopped',
    type: 'bool',
    default: 'false',
    description: 'Also snapshot stopped instances on schedule',
  },
  {
    key: 'snapshots.pattern',
    type: 'string',
    default: 'snap%d',
    description: 'Pongo2 name template for scheduled and unnamed snapshots',
  },
  {
    key: 'snapshots.expiry',
    type: 'string',
    description: 'Lifetime expression such as 1M 2H 3d 4w 5m 6y',
    check: isExpiry,
  },

  ...instanceLimitKeys,
  ...instanceSecurityKeys,
  ...instanceVolatileKeys,
];
