import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ours, runLxc } from '../testing/lxc.ts';
import { expandAlias } from './aliases.ts';
import { clientKeys } from './certificate.ts';
import { loadConfig, saveConfig, splitRemote } from './config.ts';

let directory: string;
const env = () => ({ LXD_CONF: directory, LXD_GLOBAL_CONF: join(directory, 'global') });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lxc-config-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** As the reference client writes it. */
const file = `default-remote: images
remotes:
  bar:
    addr: https://10.0.0.1:8443
    auth_type: tls
    project: default
    protocol: lxd
    public: false
  images:
    addr: https://images.linuxcontainers.org
    protocol: simplestreams
    public: true
  local:
    addr: unix://
    public: false
aliases:
  foo: list -c n
  my list: list -f csv -c n @ARGS@ c
`;

describe('[01.73 01.75] the configuration file', () => {
  it('of the reference client is read, and written back as it was', async () => {
    writeFileSync(join(directory, 'config.yml'), file);
    const config = await loadConfig(env());
    expect(config.defaultRemote).toBe('images');
    expect(config.remotes.get('bar')).toMatchObject({ addr: 'https://10.0.0.1:8443', auth_type: 'tls', public: false });
    expect(config.aliases.get('my list')).toBe('list -f csv -c n @ARGS@ c');
    saveConfig(config);
    expect(readFileSync(join(directory, 'config.yml'), 'utf8')).toBe(file);
  });

  it('is read too where it is written in other ways', async () => {
    writeFileSync(join(directory, 'config.yml'), 'remotes: {"bar": {addr: "https://x:1", public: yes}}\n# end\n');
    const config = await loadConfig(env());
    expect(config.remotes.get('bar')).toMatchObject({ addr: 'https://x:1', public: true });
    expect(config.defaultRemote).toBe('local');
  });

  it('that cannot be read is named', async () => {
    writeFileSync(join(directory, 'config.yml'), 'remotes: [');
    await expect(loadConfig(env())).rejects.toThrow(
      `Unable to decode the configuration ${directory}/config.yml: yaml:`,
    );
  });
});

describe('[01.117 01.118 04.15 04.18 04.20] remotes', () => {
  it('are there without a file', async () => {
    const config = await loadConfig(env());
    expect([...config.remotes.keys()].sort()).toEqual(['images', 'local', 'ubuntu', 'ubuntu-daily']);
    expect(config.remotes.get('ubuntu')).toMatchObject({ protocol: 'simplestreams', public: true });
    expect(config).toMatchObject({ defaultRemote: 'local', existed: false });
  });

  it('[09.DBG-02] follow LXC_REMOTE, and the system-wide file below the own', async () => {
    writeFileSync(join(directory, 'config.yml'), file);
    const config = await loadConfig({ ...env(), LXC_REMOTE: 'bar' });
    expect(config.defaultRemote).toBe('bar');
  });

  it('[09.DBG-02] what LXC_REMOTE says never gets into the file', async () => {
    writeFileSync(join(directory, 'config.yml'), file);
    const config = await loadConfig({ ...env(), LXC_REMOTE: 'bar' });
    config.aliases.set('bar', 'list');
    saveConfig(config);
    expect(readFileSync(join(directory, 'config.yml'), 'utf8')).toMatch(/^default-remote: images$/m);
  });

  it('[04.17] a remote is added without storing the default that LXC_REMOTE names', async () => {
    writeFileSync(join(directory, 'config.yml'), file);
    const added = await runLxc(ours, ['remote', 'add', 'y', 'https://127.0.0.1:1', '--protocol=simplestreams'], {
      ...env(),
      HOME: directory,
      LXC_REMOTE: 'bar',
    });
    expect(added).toMatchObject({ code: 0, stderr: '' });
    const stored = readFileSync(join(directory, 'config.yml'), 'utf8');
    expect(stored).toMatch(/^default-remote: images$/m);
    expect(stored).toContain('https://127.0.0.1:1');
  });

  it('are told from names by the first colon', async () => {
    const config = await loadConfig(env());
    expect(splitRemote(config, 'c1')).toEqual({ remote: 'local', name: 'c1' });
    expect(splitRemote(config, 'ubuntu:22.04')).toEqual({ remote: 'ubuntu', name: '22.04' });
    expect(splitRemote(config, 'local:')).toEqual({ remote: 'local', name: '' });
    expect(() => splitRemote(config, 'nope:c1')).toThrow('The remote "nope" doesn\'t exist');
  });
});

describe('[01.131 01.132] aliases', () => {
  const aliases = new Map([
    ['delete', 'delete -i'],
    ['my list', "list -c 'n s' @ARGS@ last"],
    ['my', 'info'],
  ]);

  it.each([
    [
      ['delete', 'c1'],
      ['delete', '-i', 'c1'],
    ],
    [
      ['my', 'list', 'a', '-q'],
      ['list', '-c', 'n s', 'a', '-q', 'last'],
    ],
    [
      ['my', 'c1'],
      ['info', 'c1'],
    ],
    [
      ['shell', 'c1'],
      ['exec', 'c1', '--', 'su', '-l'],
    ],
    [
      ['list', 'my'],
      ['list', 'my'],
    ],
  ])('turn %j into %j', (argv, expanded) => {
    expect(expandAlias(aliases, argv)).toEqual(expanded);
  });
});

describe('[01.74] the client certificate', () => {
  it('is made on demand: ECDSA on P-384 for client authentication, kept for the next time', async () => {
    expect(await clientKeys(directory, { create: false })).toEqual({});
    const made = await clientKeys(directory, { create: true });
    expect(await clientKeys(directory, { create: true })).toEqual(made);
    const { X509Certificate, createPrivateKey } = process.getBuiltinModule('node:crypto');
    const certificate = new X509Certificate(made.clientCertificate ?? '');
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'secp384r1' });
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(certificate.checkPrivateKey(createPrivateKey(made.clientKey ?? ''))).toBe(true);
  });
});
