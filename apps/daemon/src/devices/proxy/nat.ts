/** Proxies by NAT: one nftables table of our own per device (nft(8)). The target sees the client's own address. */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { badRequest, type Config, type DeviceContext } from '@lxd-ts/driver-kit';
import { applyNft, deleteNftTable, replaceNftTable } from '@lxd-ts/host';
import ipaddr from 'ipaddr.js';
import { type Endpoint, isWildcard, type Pair } from './endpoint.ts';

type Inet = Exclude<Endpoint, { protocol: 'unix' }>;

/** Names may hold any character, tables may not. */
const tableOf = ({ instance }: DeviceContext, device: string): string =>
  `lxdts_proxy_${createHash('sha256')
    .update(JSON.stringify([instance.project, instance.name, device]))
    .digest('hex')
    .slice(0, 32)}`;

const isSame = (a: string, b: string): boolean =>
  ipaddr.parse(a).toNormalizedString() === ipaddr.parse(b).toNormalizedString();

/** The fixed addresses of an instance's NICs. */
const staticAddresses = (devices: Readonly<Record<string, Config>>, ipv6: boolean): string[] =>
  Object.values(devices).flatMap((config) => {
    const address = config[ipv6 ? 'ipv6.address' : 'ipv4.address'];
    return config['type'] === 'nic' && address && address !== 'none'
      ? address.split(',').map((one) => one.trim().replace(/\/.*$/, ''))
      : [];
  });

/** The address to forward to. @throws LxdError bad-request when no NIC has it for certain */
const targetOf = ({ host }: Inet, context: DeviceContext): string => {
  const family = isIPv6(host) ? 'IPv6' : 'IPv4';
  const addresses = staticAddresses(context.instance.devices, family === 'IPv6');
  const target = isWildcard(host) ? addresses[0] : addresses.find((address) => isSame(address, host));
  if (target !== undefined) return target;
  throw badRequest(
    isWildcard(host)
      ? `Instance has no static ${family} address assigned to be used as the connect IP`
      : `Connect IP "${host}" must be one of the instance's static ${family} addresses`,
  );
};

/** The rules of each hook: the packet's way in, that of the host's own packets, and the instance talking to itself. */
const rulesOf = (pairs: readonly Pair[], listen: Inet, target: string) => {
  const ip = isIPv6(target) ? 'ip6' : 'ip';
  const protocol = listen.protocol;
  const ports = pairs.flatMap(({ listen: from, connect: to }) =>
    from.protocol === 'unix' || to.protocol === 'unix' ? [] : [{ from: from.port, to: to.port }],
  );
  const destination = isIPv6(target) ? `[${target}]` : target;
  const translate = ports.map(
    ({ from, to }) => `${ip} daddr ${listen.host} ${protocol} dport ${from} dnat ${ip} to ${destination}:${to}`,
  );
  const targets = [...new Set(ports.map(({ to }) => to))];
  const back = `${ip} saddr ${target} ${ip} daddr ${target} ${protocol} dport { ${targets.join(', ')} } masquerade`;
  return { translate, back };
};

/** Puts the rules of a device in force, in the place of earlier ones. */
export const applyNat = async (
  context: DeviceContext,
  device: string,
  listen: Inet,
  connect: Inet,
  pairs: readonly Pair[],
): Promise<void> => {
  const { translate, back } = rulesOf(pairs, listen, targetOf(connect, context));
  await applyNft(
    replaceNftTable({
      family: 'inet',
      name: tableOf(context, device),
      chains: [
        { name: 'prerouting', hook: { type: 'nat', hook: 'prerouting', priority: 'dstnat' }, rules: translate },
        { name: 'output', hook: { type: 'nat', hook: 'output', priority: -100 }, rules: translate },
        { name: 'postrouting', hook: { type: 'nat', hook: 'postrouting', priority: 'srcnat' }, rules: [back] },
      ],
    }),
  );
};

export const removeNat = (context: DeviceContext, device: string): Promise<void> =>
  applyNft(deleteNftTable('inet', tableOf(context, device)));
