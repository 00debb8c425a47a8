import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Certificate } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, formatFlag, string } from '../../command/flags.ts';
import { printListing } from '../../output/format.ts';
import { compareRows } from '../../output/sort.ts';
import { out } from '../../output/streams.ts';
import { inWords } from '../../output/time.ts';
import { printYaml } from '../../yaml/print.ts';
import { joined, type Struct, strings } from '../../yaml/shape.ts';
import { editYaml } from '../common/edit.ts';
import { ask } from '../common/input.ts';
import { pick, required } from '../common/object.ts';
import { certificateToken } from '../common/tokens.ts';

const certificatePut: Struct = {
  fields: { name: 'string', type: 'string', restricted: 'bool', projects: strings, certificate: 'string' },
};
const certificate: Struct = joined(certificatePut, { fields: { fingerprint: 'string' } });

const template = `### This is a YAML representation of the certificate.
### Any line starting with a '# will be ignored.
###
### Note that the fingerprint is shown but cannot be changed`;

const readFile = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw new UserError(`open ${path}: ${code === 'ENOENT' ? 'no such file or directory' : String(code)}`);
  }
};

/** The content of the first certificate in a PEM file, as the API wants it: base64 without the frame. */
const readPem = (path: string): string => {
  const [, body] = /-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/.exec(readFile(path)) ?? [];
  if (body === undefined) throw new UserError('Invalid certificate file');
  return body.replace(/\s/g, '');
};

export const trustAdd = command({
  use: '[<remote>:] [<cert>]',
  short: 'Add new trusted client',
  long: `The following certificate types are supported:
- client (default)
- metrics

If the certificate is omitted, a token will be generated and returned. A client
providing a valid token will have its client certificate added to the trusted list
and the consumed token will be invalidated. Similar to certificates, tokens can be
restricted to one or more projects.`,
  args: [0, 2],
  flags: {
    name: string('Alternative certificate name'),
    projects: string('List of projects to restrict the certificate to'),
    restricted: bool('Restrict the certificate to one or more projects'),
    type: string('Type of certificate', { default: 'client' }),
  },
  run: async (cli, { args, flags }) => {
    if (flags.type !== 'client' && flags.type !== 'metrics')
      throw new UserError(`Unknown certificate type "${flags.type}"`);
    const remote = args.length === 2 || args[0]?.endsWith(':') ? (args[0] ?? '') : '';
    const path = remote === '' ? args[0] : args[1];
    const { client } = await cli.locate(remote);
    const common = {
      type: flags.type,
      restricted: flags.restricted,
      projects: flags.projects === '' ? [] : flags.projects.split(','),
    };
    if (path !== undefined) {
      await client.send('POST', ['certificates'], {
        ...common,
        name: flags.name || basename(path),
        certificate: readPem(path),
      });
      return;
    }
    const name = flags.name || ask('Please provide client name: ');
    const operation = await client.start('POST', ['certificates'], { ...common, name, token: true });
    const token = operation && certificateToken(operation.object);
    if (token === undefined) throw new UserError('The server gave no token');
    if (!cli.global.quiet) out(`Client ${token.name} certificate add token:\n`);
    out(`${token.token}\n`);
  },
});

export const trustList = command({
  use: '[<remote>:]',
  short: 'List trusted clients',
  args: [0, 1],
  flags: { format: formatFlag },
  run: async (cli, { args: [text = ''], flags }) => {
    const { client } = await cli.locate(text);
    const { value } = await client.get<Certificate[]>(['certificates'], { recursion: 1 });
    const { X509Certificate } = process.getBuiltinModule('node:crypto');
    const rows = value.map(({ name, type, fingerprint, certificate: pem }) => {
      const { subject, validFromDate, validToDate } = new X509Certificate(pem);
      const [, commonName = ''] = /^CN=(.*)$/m.exec(subject) ?? [];
      return [type, name, commonName, fingerprint.slice(0, 12), inWords(validFromDate), inWords(validToDate)];
    });
    printListing(flags.format, {
      header: ['TYPE', 'NAME', 'COMMON NAME', 'FINGERPRINT', 'ISSUE DATE', 'EXPIRY DATE'],
      rows: rows.sort(compareRows),
      data: value,
      shape: { list: certificate },
    });
  },
});

const use = '[<remote>:]<fingerprint>';

export const trustShow = command({
  use,
  short: 'Show trust configurations',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    const { value } = await client.get(['certificates', required(name, 'certificate fingerprint')]);
    out(printYaml(value, certificate));
  },
});

export const trustRemove = command({
  use,
  short: 'Remove trusted client',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    await client.send('DELETE', ['certificates', required(name, 'certificate fingerprint')]);
  },
});

export const trustEdit = command({
  use,
  short: 'Edit trust configurations as YAML',
  args: [1, 1],
  run: async (cli, { args: [text = ''] }) => {
    const { client, name } = await cli.locate(text);
    const segments = ['certificates', required(name, 'certificate fingerprint')];
    await editYaml({
      template,
      shape: certificate,
      putShape: certificatePut,
      read: () => client.get(segments),
      write: async (value, etag) => {
        // The reader gives a map for a struct.
        await client.send('PUT', segments, pick(value as object, certificatePut), { etag });
      },
    });
  },
});
