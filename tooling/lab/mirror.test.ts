import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeScratch } from '@lxd-ts/tooling/scratch';
import { expect, test } from 'vitest';
import { findMirrors, readSources } from './mirror.ts';

test('sources are read from lists and from stanzas; comments and what is switched off do not count', async () => {
  await using scratch = makeScratch();
  mkdirSync(join(scratch.folder, 'sources.list.d'));
  const write = (name: string, lines: string[]) => writeFileSync(join(scratch.folder, name), `${lines.join('\n')}\n`);
  write('sources.list', [
    '# deb http://commented/debian bookworm main',
    'deb [arch=amd64 signed-by=/k.gpg] http://one/debian bookworm main contrib # why',
    'deb-src http://source/debian bookworm main',
  ]);
  write('sources.list.d/two.list', ['deb http://two/debian-security bookworm-security main']);
  write('sources.list.d/three.sources', [
    'Types: deb deb-src',
    '# URIs: http://commented/debian',
    'URIs: http://three/debian',
    ' http://four/debian',
    'Suites: bookworm bookworm-updates',
    'Components: main',
    '',
    'Types: deb',
    'URIs: http://off/debian',
    'Suites: bookworm',
    'Components: main',
    'Enabled: no',
  ]);
  write('sources.list.d/ignored.save', ['deb http://saved/debian bookworm main']);
  expect(readSources(scratch.folder)).toEqual([
    { uri: 'http://one/debian', suite: 'bookworm', components: ['main', 'contrib'] },
    ...['three', 'four'].flatMap((host) =>
      ['bookworm', 'bookworm-updates'].map((suite) => ({ uri: `http://${host}/debian`, suite, components: ['main'] })),
    ),
    { uri: 'http://two/debian-security', suite: 'bookworm-security', components: ['main'] },
  ]);
});

test('the archive of this machine serves, and what is not Debian does not', async () => {
  const own = readSources('/etc/apt');
  const strange = { uri: 'http://127.0.0.1:9/debian', suite: 'bookworm', components: ['main'] };
  const { archive, security } = await findMirrors([strange, ...own], ['bookworm']);
  expect(own.map(({ uri }) => uri.replace(/\/+$/, ''))).toContain(archive);
  expect(archive).not.toBe(strange.uri);
  expect(security).not.toBe(archive);
  await expect(findMirrors([strange], ['bookworm'])).rejects.toThrow(/^No mirror .*127\.0\.0\.1.*LXD_TS_LAB_MIRROR=/);
  await expect(findMirrors([], ['bookworm'])).rejects.toThrow(/^No mirror .* was found\. Add a Debian mirror to/);
});
