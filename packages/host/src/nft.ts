/**
 * Firewall rule sets for nftables (nft(8)): builders make text, `applyNft` hands all of it to the kernel as one transaction,
 * so that either everything is in force afterwards or nothing has changed.
 */
import { CommandError } from './command-error.ts';
import { run } from './run.ts';

export type NftFamily = 'inet' | 'ip' | 'ip6' | 'bridge' | 'netdev' | 'arp';

export interface NftChain {
  name: string;
  /** Where a base chain hooks in; without it the chain is only reached by jumps. */
  hook?: {
    type: 'filter' | 'nat' | 'route';
    hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';
    /** A number, or one of nft's names (`filter`, `srcnat`, `dstnat - 5`). */
    priority: number | string;
    /** The link, for family netdev. */
    device?: string;
    policy?: 'accept' | 'drop';
  };
  /** Rules in nft's own words, one each. Put foreign text through `nftString`. */
  rules: readonly string[];
}

export interface NftSet {
  name: string;
  /** `ipv4_addr`, `ipv4_addr . inet_service`, … */
  type: string;
  flags?: readonly string[];
  elements: readonly string[];
}

export interface NftTable {
  family: NftFamily;
  name: string;
  sets?: readonly NftSet[];
  chains: readonly NftChain[];
}

/** An identifier as nft takes it unquoted; table and chain names must be such. */
function identifier(name: string): string {
  if (!/^[A-Za-z_][\w./\\-]*$/.test(name)) throw new TypeError(`"${name}" cannot be the name of an nftables object`);
  return name;
}

/** Quotes a string for a rule (an interface name, a comment). nft has no escapes, so quotes and line ends are refused. */
export function nftString(text: string): string {
  if (/["\n\r\0]/.test(text)) throw new TypeError(`${JSON.stringify(text)} cannot be written in an nftables rule`);
  return `"${text}"`;
}

function hookLine({ hook }: NftChain): string[] {
  if (!hook) return [];
  const device = hook.device === undefined ? '' : ` device ${nftString(hook.device)}`;
  const policy = hook.policy === undefined ? '' : ` policy ${hook.policy};`;
  return [`    type ${hook.type} hook ${hook.hook}${device} priority ${hook.priority};${policy}`];
}

function chainText(chain: NftChain): string[] {
  const bad = chain.rules.find((rule) => /[\n{}]/.test(rule) && !/^[^{}\n]*(\{[^{}\n]*\}[^{}\n]*)*$/.test(rule));
  if (bad !== undefined) throw new TypeError(`${JSON.stringify(bad)} is not one nftables rule`);
  const rules = chain.rules.map((rule) => `    ${rule}`);
  return [`  chain ${identifier(chain.name)} {`, ...hookLine(chain), ...rules, '  }'];
}

function setText(set: NftSet): string[] {
  return [
    `  set ${identifier(set.name)} {`,
    `    type ${set.type};`,
    ...(set.flags?.length ? [`    flags ${set.flags.join(', ')};`] : []),
    ...(set.elements.length ? [`    elements = { ${set.elements.join(', ')} }`] : []),
    '  }',
  ];
}

function tableText(table: NftTable): string {
  const lines = [...(table.sets ?? []).flatMap(setText), ...table.chains.flatMap(chainText)];
  return [`table ${table.family} ${identifier(table.name)} {`, ...lines, '}', ''].join('\n');
}

/** Removes a table with all it holds. One that is not there is no error. */
export function deleteNftTable(family: NftFamily, name: string): string {
  // Adding an existing table does nothing; without it, deleting a missing one fails.
  return `add table ${family} ${identifier(name)}\ndelete table ${family} ${identifier(name)}\n`;
}

/** Puts a table in the place of the one of the same name. */
export function replaceNftTable(table: NftTable): string {
  return deleteNftTable(table.family, table.name) + tableText(table);
}

/** Removes chains of a table that others share. Those that are not there are no error. */
export function deleteNftChains(family: NftFamily, table: string, names: readonly string[]): string {
  const chains = names.map((name) => `${family} ${identifier(table)} ${identifier(name)}`);
  return [
    `add table ${family} ${identifier(table)}`,
    ...chains.map((chain) => `add chain ${chain}`),
    // Emptied all before any is deleted: they may jump to one another.
    ...chains.map((chain) => `flush chain ${chain}`),
    ...chains.map((chain) => `delete chain ${chain}`),
    '',
  ].join('\n');
}

/** Puts chains in the place of those of the same names, in a table that others share. */
export function replaceNftChains(table: NftTable): string {
  const names = table.chains.map(({ name }) => name);
  return deleteNftChains(table.family, table.name, names) + tableText(table);
}

/**
 * Carries out texts of the functions above in one transaction.
 * @throws CommandError with nft's complaint; nothing has changed then
 */
export async function applyNft(...texts: readonly string[]): Promise<void> {
  await run(['nft', '-f', '-'], { input: texts.join(''), debianPackage: 'nftables' });
}

/** The objects of a table in libnftables-json(5) form; undefined when there is no such table. */
export async function listNftTable(
  family: NftFamily,
  name: string,
): Promise<readonly Record<string, unknown>[] | undefined> {
  const argv = ['nft', '-j', 'list', 'table', family, identifier(name)] as const;
  try {
    const { stdout } = await run(argv, { debianPackage: 'nftables' });
    const answer: { nftables: Record<string, unknown>[] } = JSON.parse(stdout);
    return answer.nftables;
  } catch (error) {
    if (error instanceof CommandError && error.stderr.includes('No such file or directory')) return undefined;
    throw error;
  }
}
