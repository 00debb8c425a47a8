import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { apiExtensions } from './extensions.ts';

const documented: { name: string }[] = parse(
  readFileSync(new URL('../../../docs/spec/api-extensions.yaml', import.meta.url), 'utf8'),
);

/** Spec 09 §14: documented under another name, not advertised at all, or advertised after a name without being documented. */
const renamed = new Map([
  ['instance_types', 'resource_limits'],
  ['external_authentication', 'macaroon_authentication'],
  ['proxy_priv_drop', 'unix_priv_drop'],
  ['snapshots_schedule_aliases', 'snapshot_schedule_aliases'],
  ['virtual_machines', 'virtual-machines'],
  ['instance_nic_txqueuelength', 'network_txqueuelen'],
]);
const silent = [
  'storage_lvm_vg_force_reuse',
  'resources_cpu_isolated',
  'container_syscall_filtering_allow_deny_syntax',
];
const undocumented = new Map([
  ['unix_device_rename', 'storage_lvm_use_thinpool'],
  ['snapshot_expiry', 'container_backup_override_pool'],
  ['firewall_driver', 'projects_limits'],
  ['remote_token_expiry', 'init_preseed'],
]);

it('[09.API-02] the advertised names are the documented ones in their order, with the corrections of the wire', () => {
  const expected = documented
    .map(({ name }) => renamed.get(name) ?? name)
    .filter((name) => !silent.includes(name))
    .flatMap((name) => [name, ...[undocumented.get(name) ?? []].flat()]);
  expect(apiExtensions).toEqual(expected);
  expect(new Set(apiExtensions).size).toBe(355);
});
