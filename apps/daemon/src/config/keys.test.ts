import { readFileSync } from 'node:fs';
import { type ConfigKey, checkValue, findKey, validateConfig } from '@lxd-ts/driver-kit';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { clusterMemberKeys } from './cluster-member-keys.ts';
import { instanceKeys } from './instance-keys.ts';
import { initialProjectConfig, projectKeys } from './project-keys.ts';
import { serverKeys } from './server-keys.ts';

const documentedKey = z.object({
  key: z.string(),
  type: z.string(),
  default: z.unknown(),
  scope: z.string().optional(),
  live_update: z.string().optional(),
  condition: z.string().nullable(),
  values: z.array(z.string()).optional(),
  initial: z.boolean().optional(),
});
type DocumentedKey = z.infer<typeof documentedKey>;

const read = (file: string): unknown =>
  parse(readFileSync(new URL(`../../../../docs/spec/config/${file}.yaml`, import.meta.url), 'utf8'));
const sections = (file: string): Record<string, DocumentedKey[]> =>
  z.record(z.string(), z.array(documentedKey)).parse(read(file));

const documented = {
  server: z.array(documentedKey).parse(read('server')),
  instance: z.array(documentedKey).parse(read('instance')),
  project: Object.entries(sections('project')).flatMap(([name, keys]) => (name === 'project' ? [] : keys)),
  member: sections('cluster').member ?? [],
};

/** The declaration a documented key falls under. */
const declarationOf = (keys: readonly ConfigKey[], { key }: DocumentedKey): ConfigKey => {
  const found = findKey(keys, key.replace('<name>', 'NAME').replace('*', 'x'));
  if (!found) throw new Error(`${key} is not declared`);
  return found;
};

/** The default as text; one that is computed (`<…>`) or depends on the type of the instance is only described. */
const plainDefault = (value: unknown): string | undefined =>
  value === null || typeof value === 'object' || String(value).startsWith('<') ? undefined : String(value);

const refuses = (keys: readonly ConfigKey[], key: string, value: string): string | undefined => {
  try {
    validateConfig(keys, { [key]: value }, 'tested');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

const expectValues = (keys: readonly ConfigKey[], key: string, good: string[], bad: string[]): void => {
  for (const value of good)
    expect({ value, refused: refuses(keys, key, value) }).toEqual({ value, refused: undefined });
  for (const value of bad) {
    expect({ value, refused: refuses(keys, key, value) }).toEqual({
      value,
      refused: expect.stringContaining(`"${key}"`),
    });
  }
};

describe('configuration keys', () => {
  it.each(documented.server.map((key): [string, DocumentedKey] => [key.key, key]))(
    'server key %s is declared as documented',
    (_, key) => {
      const declared = declarationOf(serverKeys, key);
      expect(declared.scope).toBe(key.scope);
      if (key.key !== 'maas.machine') expect(declared.default).toBe(plainDefault(key.default));
      if (['bool', 'integer'].includes(key.type)) expect(declared.type).toBe(key.type);
    },
  );

  it.each(documented.instance.map((key): [string, DocumentedKey] => [key.key, key]))(
    'instance key %s is declared as documented',
    (_, key) => {
      const declared = declarationOf(instanceKeys, key);
      if (!key.key.startsWith('limits.kernel.')) expect(declared.default).toBe(plainDefault(key.default));
      expect(declared.live ?? false).toBe(key.live_update?.startsWith('yes') ?? false);
      expect(declared.internal ?? false).toBe(['volatile', 'read-only'].includes(key.condition ?? ''));
      const applies = ['all', 'volatile', 'read-only'].includes(key.condition ?? '') ? undefined : key.condition;
      expect(declared.condition).toBe(applies);
      if (['bool', 'integer', 'blob'].includes(key.type)) expect(declared.type).toBe(key.type);
    },
  );

  it.each(documented.project.map((key): [string, DocumentedKey] => [key.key, key]))(
    'project key %s is declared as documented',
    (_, key) => {
      const declared = declarationOf(projectKeys, key);
      expect(declared.default).toBe(plainDefault(key.default));
      if (key.values && !declared.check) expect(declared.values).toEqual(key.values);
      expect(initialProjectConfig[key.key]).toBe(key.initial ? 'true' : undefined);
    },
  );

  it.each(documented.member.map((key): [string, DocumentedKey] => [key.key, key]))(
    'member key %s is declared as documented',
    (_, key) => {
      const declared = declarationOf(clusterMemberKeys, key);
      expect(declared.default).toBe(plainDefault(key.default));
      expect(declared.values).toEqual(key.values);
    },
  );

  it('no key is declared that is not documented', () => {
    const names = (keys: readonly ConfigKey[]): string[] => keys.map(({ key }) => key).sort();
    const namesOf = (keys: readonly DocumentedKey[]): string[] => keys.map(({ key }) => key.replace('<name>', 'NAME'));
    expect(names(serverKeys)).toEqual([...namesOf(documented.server), 'user.*'].sort());
    expect(names(projectKeys)).toEqual(namesOf(documented.project).sort());
    expect(names(instanceKeys)).toEqual(
      [...namesOf(documented.instance).filter((key) => !/^limits\.kernel\.[a-z]/.test(key)), 'volatile.*'].sort(),
    );
  });

  it('every default is a value that the key accepts', () => {
    for (const key of [...serverKeys, ...projectKeys, ...instanceKeys, ...clusterMemberKeys]) {
      if (key.default !== undefined) expect(() => checkValue(key, key.key, key.default ?? '')).not.toThrow();
    }
  });
});

describe('values of instance keys', () => {
  // Accepted and refused as by LXD 5.0.2, or as the documents say where that took anything.
  it.each<[string, string[], string[]]>([
    ['boot.autostart', ['true', 'True', '1', 'yes', 'on', 'off', '0', ''], ['y', 'foo']],
    ['boot.autostart.delay', ['0', '5'], ['1.5', ' 5', 'abc', '-1']],
    ['boot.autostart.priority', ['-5', '5'], ['high']],
    ['cluster.evacuate', ['auto', 'migrate', 'live-migrate', 'stop'], ['foo']],
    ['[03.63] limits.cpu', ['1', '4', '0-3', '1,2,3', '1-1', '0-3,5'], ['-1', 'a', '1,', '0-', '1 ', '50%', '1.5']],
    [
      '[03.77] limits.cpu.allowance',
      ['50%', '150%', '10ms/20ms', '200ms/100ms'],
      ['50', '10ms', '10ms/0ms', '-5%', '1.5%', '10/20'],
    ],
    ['limits.cpu.nodes', ['0', '0,1', '0-1,2-4'], ['a', '1-0']],
    ['[03.83] limits.cpu.priority', ['0', '10'], ['11', '-1']],
    ['limits.memory', ['50%', '150%', '1GB', '512MiB', '1024'], ['0', '0%', 'a%', '50 %', '1M', '1mb']],
    ['[03.85] limits.memory.enforce', ['hard', 'soft'], ['foo']],
    ['limits.memory.swap', ['true', 'false'], ['1GB']],
    ['limits.hugepages.2MB', ['1GB', '5'], ['a']],
    ['[03.99] limits.kernel.nofile', ['1000', '1000:2000', 'unlimited', '1:unlimited'], ['foo', '1:', '-1']],
    ['[03.98] limits.kernel.foo', ['1'], []],
    ['limits.processes', ['100'], ['abc', '0', '-1']],
    [
      '[09.IDM-07] raw.idmap',
      ['both 1000 1000', 'uid 50-60 500-510', 'gid 1 1\nuid 2 2'],
      ['foo 1 1', 'both 1', 'both a b', 'both 1-2 3-9'],
    ],
    ['security.idmap.size', ['65536'], ['-1', '4294967296']],
    ['security.syscalls.intercept.mount.fuse', ['ext4=fuse2fs', 'a=b,c=d'], ['ext4', '=x', 'a=']],
    [
      '[03.172 03.173 03.174] snapshots.schedule',
      ['* * * * *', '@daily', '@hourly,@daily', '@startup', '@never', '*/5 0-3 1,2 JAN MON'],
      ['foo', '60 * * * *', '@reboot'],
    ],
    ['[03.181] snapshots.expiry', ['1M 2H 3d 4w 5m 6y'], ['1x', '1M 1M', 'M']],
    ['environment.FOO', ['x'], []],
    ['user.x', ['x'], []],
    ['volatile.eth0.1.hwaddr', ['00:16:3e:00:00:01'], []],
  ])('%s', (title, good, bad) => {
    const key = title.replace(/^\[.*\] /, '');
    expectValues(instanceKeys, key, good, bad);
  });

  it.each([
    'foo.bar',
    'limits.hugepages.4MB',
    'limits.hugepages',
    'limits.kernel.',
    'raw.foo',
    'cloud-init.foo',
    'security.foo',
    'user',
    '',
  ])('%j is unknown', (key) => {
    expect(refuses(instanceKeys, key, 'x')).toContain('Unknown');
  });
});

describe('values of server keys', () => {
  it.each<[string, string[], string[]]>([
    ['core.https_address', [':8443', '10.0.0.1', '[::]:8443', '::1'], ['a b', '1.2.3.4:70000', 'http://x', '[::1']],
    ['core.bgp_asn', ['0', '65000', '4294967294'], ['4294967295', '-1', 'foo']],
    ['core.bgp_routerid', ['10.0.0.1'], ['foo', '::1']],
    ['core.https_trusted_proxy', ['10.0.0.1', '10.0.0.1,fd00::1'], ['foo']],
    ['core.remote_token_expiry', ['3H'], ['foo', '1M 1M']],
    ['core.shutdown_timeout', ['0', '5'], ['abc', '1.5']],
    [
      'backups.compression_algorithm',
      ['gzip', 'none', 'zstd', 'gzip -9', 'xz -T0'],
      ['foo', 'lz4', 'gzip; rm', 'none -1'],
    ],
    ['images.default_architecture', ['x86_64', 'aarch64'], ['foo', 'amd64']],
    ['cluster.images_minimal_replica', ['-1', '1', '2'], ['0', '-2']],
    ['cluster.max_voters', ['3', '5'], ['1', '2', '4']],
    ['cluster.max_standby', ['0', '5'], ['6', '-1']],
    ['cluster.offline_threshold', ['10', '20'], ['9', '0']],
    ['instances.nic.host_name', ['random', 'mac'], ['foo']],
    ['storage.backups_volume', ['pool/volume'], ['foo', 'a/b/c']],
    ['loki.types', ['lifecycle', 'lifecycle,logging'], ['operation']],
    ['loki.loglevel', ['info', 'error'], ['loud']],
    ['core.metrics_authentication', ['true', 'false'], ['foo']],
  ])('%s', (key, good, bad) => {
    expectValues(serverKeys, key, good, bad);
  });
});

describe('values of project keys', () => {
  it.each<[string, string[], string[]]>([
    ['features.images', ['true', 'false'], ['foo']],
    ['limits.instances', ['5', '0'], ['-1', 'a', '10GB']],
    ['limits.disk', ['5', '10GB'], ['-1', 'a']],
    ['restricted.backups', ['block', 'allow'], ['managed']],
    ['restricted.containers.privilege', ['unprivileged', 'isolated', 'allow'], ['block']],
    ['restricted.devices.nic', ['block', 'managed', 'allow'], ['foo']],
    ['restricted.devices.disk.paths', ['/a', '/a,/b'], ['a']],
    ['restricted.idmap.uid', ['1000', '1-2,5-6'], ['a', '5-1']],
    ['restricted.networks.subnets', ['lxdbr0:10.0.0.0/24', 'block'], ['foo', 'up:foo', 'up:10.0.0.1']],
    ['images.default_architecture', ['x86_64'], ['foo']],
  ])('%s', (key, good, bad) => {
    expectValues(projectKeys, key, good, bad);
  });
});
