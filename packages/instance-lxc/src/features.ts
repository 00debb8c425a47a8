import koffi from 'koffi';

/** Extensions of liblxc's API that clients are told about. */
const extensions = [
  'cgroup2',
  'core_scheduling',
  'devpts_fd',
  'idmapped_mounts_v2',
  'mount_injection_file',
  'network_gateway_device_route',
  'network_ipvlan',
  'network_l2proxy',
  'network_phys_macvlan_mtu',
  'network_veth_router',
  'pidfd',
  'seccomp_allow_deny_syntax',
  'seccomp_notify',
  'seccomp_proxy_send_notify_fd',
];

/** What the installed liblxc can do, as it says itself (lxc_has_api_extension of lxc/lxccontainer.h). */
export const liblxcFeatures = (): Record<string, boolean> => {
  const library = koffi.load('liblxc.so.1');
  const has = library.func('bool lxc_has_api_extension(const char *extension)');
  return Object.fromEntries(extensions.map((extension) => [extension, Boolean(has(extension))]));
};
