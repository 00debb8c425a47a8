/** Kernel parameters a network depends on (kernel doc: networking/ip-sysctl.rst). */
import { readdirSync } from 'node:fs';
import { getSysctl, setSysctl } from '@lxd-ts/host';
import type { BridgeSettings } from './settings.ts';

/** The bridge's own parameters. Its interface exists. */
export const setLinkParameters = ({ name, ipv6 }: BridgeSettings): void => {
  // Without this a subnet's second address goes with its first, and NICs lose their routes with the last one.
  setSysctl(`net/ipv4/conf/${name}/promote_secondaries`, 1);
  const own = `net/ipv6/conf/${name}`;
  if (getSysctl(`${own}/disable_ipv6`) === undefined) return; // a kernel without IPv6
  setSysctl(`${own}/disable_ipv6`, ipv6 ? 0 : 1);
  // The host takes advertisements although it forwards (2), so that a router among the instances can serve it too,
  // but gives itself no addresses from them.
  setSysctl(`${own}/accept_ra`, 2);
  setSysctl(`${own}/autoconf`, 0);
  // Without a port the bridge has no carrier, and checking for duplicates would never end.
  setSysctl(`${own}/accept_dad`, 0);
};

/**
 * Turns on forwarding on the host for the families that route. It is never turned off: others may have come to rely on it.
 * A forwarding host stops listening to IPv6 router advertisements unless told otherwise (accept_ra 2): interfaces that
 * listen now, by which the host may have its default route, go on doing so.
 */
export const setForwarding = ({ ipv4, ipv6 }: BridgeSettings): void => {
  if (ipv4?.routing) setSysctl('net/ipv4/ip_forward', 1);
  if (!ipv6?.routing || getSysctl('net/ipv6/conf/all/forwarding') === '1') return;
  for (const link of readdirSync('/proc/sys/net/ipv6/conf')) {
    if (getSysctl(`net/ipv6/conf/${link}/accept_ra`) === '1') setSysctl(`net/ipv6/conf/${link}/accept_ra`, 2);
  }
  setSysctl('net/ipv6/conf/all/forwarding', 1);
};
