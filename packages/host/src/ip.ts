/**
 * Changes to links, addresses and routes by iproute2: builders make plain commands, `applyIp` runs a batch of them in one
 * process (ip(8), `-batch`).
 */
import { CommandError } from './command-error.ts';
import { type AddressFamily, listRoutes } from './net-addresses.ts';
import type { Link } from './net-links.ts';
import type { NetNamespace } from './net-namespace.ts';
import { run } from './run.ts';

/** One line for `ip -batch`, in words. */
export type IpCommand = readonly string[];

/** What can be set on a new or existing link. */
export interface LinkSettings {
  mtu?: number;
  /** Hardware address. */
  address?: string;
  txQueueLength?: number;
  /** The bridge or bond to belong to; null to leave it. */
  master?: string | null;
  up?: boolean;
  alias?: string;
}

function settings({ mtu, address, txQueueLength, master, up, alias }: LinkSettings): string[] {
  return [
    ...(address === undefined ? [] : ['address', address]),
    ...(mtu === undefined ? [] : ['mtu', `${mtu}`]),
    ...(txQueueLength === undefined ? [] : ['txqueuelen', `${txQueueLength}`]),
    ...(alias === undefined ? [] : ['alias', alias]),
    ...(master === undefined ? [] : master === null ? ['nomaster'] : ['master', master]),
    ...(up === undefined ? [] : [up ? 'up' : 'down']),
  ];
}

function namespaceWords(namespace: NetNamespace | undefined): string[] {
  return namespace === undefined ? [] : ['netns', `${namespace}`];
}

/** Settings that `ip link add` takes; the rest has to be set afterwards. */
function add(name: string, kind: readonly string[], given: LinkSettings, parent?: string): IpCommand[] {
  const { mtu, address, txQueueLength, ...later } = given;
  const now = settings({
    ...(mtu === undefined ? {} : { mtu }),
    ...(address === undefined ? {} : { address }),
    ...(txQueueLength === undefined ? {} : { txQueueLength }),
  });
  const rest = settings(later);
  return [
    ['link', 'add', ...(parent === undefined ? [] : ['link', parent]), 'name', name, ...now, 'type', ...kind],
    ...(rest.length === 0 ? [] : [['link', 'set', 'dev', name, ...rest]]),
  ];
}

export function addBridge(name: string, given: LinkSettings = {}): IpCommand[] {
  return add(name, ['bridge'], given);
}

/**
 * Two links joined like the ends of a cable.
 * @param peer the other end: its name, settings, and the namespace it is made in (a pid or the name of one in /run/netns)
 */
export function addVeth(
  name: string,
  peer: { name: string; mtu?: number; address?: string; txQueueLength?: number; namespace?: NetNamespace },
  given: LinkSettings = {},
): IpCommand[] {
  const { name: peerName, namespace, ...peerSettings } = peer;
  const peerWords = ['peer', 'name', peerName, ...settings(peerSettings), ...namespaceWords(namespace)];
  return add(name, ['veth', ...peerWords], given);
}

export function addMacvlan(
  name: string,
  parent: string,
  mode: 'bridge' | 'private' | 'vepa' | 'passthru',
  given: LinkSettings & { tap?: boolean } = {},
): IpCommand[] {
  const { tap, ...link } = given;
  return add(name, [tap ? 'macvtap' : 'macvlan', 'mode', mode], link, parent);
}

export function addIpvlan(
  name: string,
  parent: string,
  mode: 'l2' | 'l3' | 'l3s',
  given: LinkSettings = {},
): IpCommand[] {
  return add(name, ['ipvlan', 'mode', mode], given, parent);
}

export function addVlan(name: string, parent: string, id: number, given: LinkSettings = {}): IpCommand[] {
  return add(name, ['vlan', 'id', `${id}`], given, parent);
}

/** A VXLAN tunnel: unicast to `remote`, or multicast to `group` on the link `dev`. */
export function addVxlan(
  name: string,
  tunnel: { id: number; port?: number; local?: string; remote?: string; group?: string; dev?: string; ttl?: number },
  given: LinkSettings = {},
): IpCommand[] {
  const { id, port = 0, ...words } = tunnel;
  const options = Object.entries(words).flatMap(([word, value]) => [word, `${value}`]);
  return add(name, ['vxlan', 'id', `${id}`, 'dstport', `${port}`, ...options], given);
}

/** An Ethernet over GRE tunnel. */
export function addGretap(
  name: string,
  tunnel: { local: string; remote: string },
  given: LinkSettings = {},
): IpCommand[] {
  return add(name, ['gretap', 'local', tunnel.local, 'remote', tunnel.remote], given);
}

/** A tap interface, for a virtual machine. */
export function addTap(name: string, given: LinkSettings & { multiQueue?: boolean; user?: number } = {}): IpCommand[] {
  const { multiQueue, user, ...link } = given;
  const words = [...(multiQueue ? ['multi_queue'] : []), ...(user === undefined ? [] : ['user', `${user}`])];
  const rest = settings(link);
  return [
    ['tuntap', 'add', 'dev', name, 'mode', 'tap', ...words],
    ...(rest.length === 0 ? [] : [['link', 'set', 'dev', name, ...rest]]),
  ];
}

/** Changes a link; `name` renames it (it must be down), `namespace` moves it last of all. */
export function setLink(link: string, change: LinkSettings & { name?: string; namespace?: NetNamespace }): IpCommand[] {
  const { name, namespace, ...given } = change;
  const words = [...settings(given), ...(name === undefined ? [] : ['name', name]), ...namespaceWords(namespace)];
  return words.length === 0 ? [] : [['link', 'set', 'dev', link, ...words]];
}

export function deleteLink(name: string): IpCommand[] {
  return [['link', 'delete', 'dev', name]];
}

/** @param address with its prefix length */
export function addAddress(
  link: string,
  address: string,
  options: { scope?: 'global' | 'link' | 'host'; broadcast?: boolean; noPrefixRoute?: boolean; noDad?: boolean } = {},
): IpCommand[] {
  const words = [
    ...(options.broadcast ? ['brd', '+'] : []),
    ...(options.scope ? ['scope', options.scope] : []),
    ...(options.noPrefixRoute ? ['noprefixroute'] : []),
    ...(options.noDad ? ['nodad'] : []),
  ];
  return [['addr', 'add', address, 'dev', link, ...words]];
}

export function deleteAddress(link: string, address: string): IpCommand[] {
  return [['addr', 'del', address, 'dev', link]];
}

/** Removes all addresses of a family and scope from a link. */
export function flushAddresses(
  link: string,
  family: 'inet' | 'inet6',
  scope: 'global' | 'link' = 'global',
): IpCommand[] {
  return [['addr', 'flush', 'dev', link, 'scope', scope, 'to', family === 'inet' ? '0.0.0.0/0' : '::/0']];
}

export interface RouteOptions {
  via?: string;
  source?: string;
  metric?: number;
  /** Who made it: `static`, `boot`, `kernel`, or a number. */
  protocol?: string;
  table?: number | string;
  scope?: string;
  onlink?: boolean;
}

/**
 * @param verb `replace` makes or changes, `add` fails when it exists, `del` fails when it does not
 * @param destination an address with prefix length; `0.0.0.0/0` or `::/0` for the default route
 */
export function route(
  verb: 'add' | 'replace' | 'del',
  link: string,
  destination: string,
  options: RouteOptions = {},
): IpCommand[] {
  const { via, source, metric, protocol, table, scope, onlink } = options;
  const words = { via, dev: link, src: source, metric, proto: protocol, table, scope };
  const given = Object.entries(words).flatMap(([word, value]) => (value === undefined ? [] : [word, `${value}`]));
  return [['route', verb, destination, ...given, ...(onlink ? ['onlink'] : [])]];
}

/**
 * Commands that remove the routes a link has now, only those of one maker (RTPROT_… number) when given.
 * (`ip route flush` in a batch reaches IPv4 alone.)
 */
export function flushRoutes(
  link: Pick<Link, 'index' | 'name'>,
  options: { family?: AddressFamily; protocol?: number; namespace?: NetNamespace } = {},
): IpCommand[] {
  return listRoutes(options.namespace)
    .filter(({ linkIndex }) => linkIndex === link.index)
    .filter(({ family }) => options.family === undefined || family === options.family)
    .filter(({ protocol }) => options.protocol === undefined || protocol === options.protocol)
    .flatMap(({ family, destination, gateway, metric, table, protocol }) => {
      const everything = family === 'inet' ? '0.0.0.0/0' : '::/0';
      return route('del', link.name, destination === 'default' ? everything : destination, {
        ...(gateway === undefined ? {} : { via: gateway }),
        metric,
        table,
        protocol: `${protocol}`,
      });
    });
}

/** Answers ARP or NDP for an address on behalf of another link. */
export function neighbourProxy(verb: 'add' | 'del', link: string, address: string): IpCommand[] {
  return [['neigh', verb, 'proxy', address, 'dev', link]];
}

function line(command: IpCommand): string {
  const bad = command.find((word) => !/^[^\s"'\\#]+$/.test(word));
  if (bad !== undefined) throw new TypeError(`"${bad}" cannot be a word of an ip command`);
  return `${command.join(' ')}\n`;
}

/**
 * Carries out commands in their order, in one process. The first that fails ends it; those before stay done.
 *
 * @param namespace where to work, instead of this process's network namespace
 * @throws CommandError with the failing command in its message
 */
export async function applyIp(commands: readonly IpCommand[], namespace?: NetNamespace): Promise<void> {
  if (commands.length === 0) return;
  const input = commands.map(line).join('');
  try {
    const where = namespace === undefined ? {} : { netNamespace: namespace };
    await run(['ip', '-batch', '-'], { input, debianPackage: 'iproute2', ...where });
  } catch (error) {
    const failed = error instanceof CommandError ? /Command failed -:(\d+)/.exec(error.stderr)?.[1] : undefined;
    const command = failed === undefined ? undefined : commands[Number(failed) - 1];
    if (!(error instanceof CommandError) || !command) throw error;
    const said = error.stderr.replace(/^Command failed.*$/gm, '').trim();
    const { exitCode, signal, stdout } = error;
    const argv = ['ip', ...command];
    throw new CommandError({ argv, title: argv.join(' '), exitCode, signal, stdout, stderr: said });
  }
}
