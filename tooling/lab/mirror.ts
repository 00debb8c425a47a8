/** Where Debian's packages come from: the mirrors that this machine's own apt uses. No host is named in here. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runQuietly } from './command.ts';

export interface Source {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
}

export interface Mirrors {
  /** The archive, which carries every release. */
  readonly archive: string;
  /** Security updates; undefined when this machine's apt has none. */
  readonly security: string | undefined;
}

const withoutComment = (line: string): string => line.replace(/\s*#.*$/, '');

/** Reads the one-line format of sources.list(5). */
export const parseList = (text: string): Source[] =>
  text
    .split('\n')
    .map((line) => withoutComment(line).match(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s*(.*)$/))
    .flatMap((match) =>
      match?.[1] !== undefined && match[2] !== undefined
        ? [{ uri: match[1], suite: match[2], components: (match[3] ?? '').split(/\s+/).filter(Boolean) }]
        : [],
    );

const field = (stanza: string, name: string): string[] => {
  const text = stanza.match(new RegExp(`^${name}:((?:.*)(?:\\n[ \\t].*)*)`, 'im'))?.[1] ?? '';
  return text.split(/\s+/).filter(Boolean);
};

/** Reads the deb822 format of sources.list(5): every URI with every suite. */
export const parseStanzas = (text: string): Source[] =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n\s*\n/)
    .filter((stanza) => field(stanza, 'Types').includes('deb') && field(stanza, 'Enabled')[0] !== 'no')
    .flatMap((stanza) =>
      field(stanza, 'URIs').flatMap((uri) =>
        field(stanza, 'Suites').map((suite) => ({ uri, suite, components: field(stanza, 'Components') })),
      ),
    );

/** All sources below a folder like /etc/apt. */
export const readSources = (folder: string): Source[] => {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  return names.flatMap((name) => {
    if (name === 'sources.list' || /^sources\.list\.d\/[^/]+\.list$/.test(name)) return parseList(read(name));
    return /^sources\.list\.d\/[^/]+\.sources$/.test(name) ? parseStanzas(read(name)) : [];
  });
};

/** What the release file of a suite says of its makers; undefined when it cannot be had. Uses apt's own transport. */
const release = async (uri: string, suite: string): Promise<string | undefined> => {
  const folder = mkdtempSync(join(tmpdir(), 'lxd-ts-lab-'));
  try {
    const target = join(folder, 'Release');
    const { code } = await runQuietly([
      '/usr/lib/apt/apt-helper',
      ...['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20', '-o', 'APT::Sandbox::User=root'],
      ...['download-file', `${uri}/dists/${suite}/Release`, target],
    ]);
    return code === 0 ? readFileSync(target, 'utf8') : undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const help =
  'Add a Debian mirror to /etc/apt/sources.list, or name one: LXD_TS_LAB_MIRROR=http://mirror/debian pnpm lab build';

/**
 * Finds the mirrors to build with, by asking those of the sources that look like Debian's.
 *
 * @param suites releases that the archive must carry
 * @throws Error that says what to do when there is none
 */
export const findMirrors = async (sources: readonly Source[], suites: readonly string[]): Promise<Mirrors> => {
  const named = process.env.LXD_TS_LAB_MIRROR;
  const main = sources.filter(({ uri, components }) => /^https?:/.test(uri) && components.includes('main'));
  const uris = (of: readonly Source[]) => [...new Set(of.map(({ uri }) => uri.replace(/\/+$/, '')))];
  const isSecurity = ({ suite }: Source) => /[-/]security$|\/updates$/.test(suite);
  const candidates = named ? [named.replace(/\/+$/, '')] : uris(main.filter((one) => !isSecurity(one)));
  const isDebians = async (uri: string) => {
    const texts = await Promise.all(suites.map((suite) => release(uri, suite)));
    return texts.every((text) => text !== undefined && /^Origin: Debian$/m.test(text));
  };
  for (const archive of candidates) {
    if (await isDebians(archive)) return { archive, security: uris(main.filter(isSecurity))[0] };
  }
  const tried = candidates.length > 0 ? `; tried: ${candidates.join(', ')}` : '';
  throw new Error(`No mirror with Debian ${suites.join(' and ')} was found${tried}. ${help}`);
};
