import { readFileSync } from 'node:fs';
import { text as readText } from 'node:stream/consumers';
import { ApiError, type Client } from '@lxd-ts/client';
import { command } from '../command/command.ts';
import { UserError } from '../command/errors.ts';
import { bool, string } from '../command/flags.ts';
import { printJsonLines } from '../output/json.ts';
import { out } from '../output/streams.ts';
import { isRecord } from '../yaml/shape.ts';

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** What `--data` means: JSON as it is, anything else as a JSON text. */
const bodyOf = (data: string): string | undefined => {
  if (data === '') return undefined;
  const given = data === '-' ? readFileSync(0, 'utf8') : data;
  return JSON.stringify(parse(given) ?? given);
};

/** Waits for the operation in a reply and gives the reply to that. */
const waitFor = async (client: Client, envelope: Record<string, unknown>): Promise<Record<string, unknown>> => {
  const url = typeof envelope.operation === 'string' ? envelope.operation : '';
  if (url === '') return envelope;
  const project = client.project === '' ? '' : `?project=${encodeURIComponent(client.project)}`;
  const waited = await client.query('GET', `${url}/wait${project}`);
  const operation = waited.metadata;
  if (isRecord(operation) && typeof operation.status_code === 'number' && operation.status_code >= 400) {
    throw new UserError(String(operation.err));
  }
  return { ...waited };
};

export const query = command({
  use: '[<remote>:]<API path>',
  short: 'Send a raw query to LXD',
  examples: `lxc query -X DELETE --wait /1.0/instances/c1
    Delete local instance "c1".`,
  args: [1, 1],
  flags: {
    data: string('Input data', { short: 'd' }),
    raw: bool('Print the raw response'),
    request: string('Action (defaults to GET)', { short: 'X', default: 'GET' }),
    wait: bool('Wait for the operation to complete'),
  },
  run: async (cli, { args: [text = ''], flags }) => {
    if (cli.global.project !== '') throw new UserError('--project cannot be used with the query command');
    // Only what stands before the path can be a remote: a query may hold colons of its own.
    const slash = text.indexOf('/');
    const colon = text.indexOf(':');
    const named = colon >= 0 && (slash < 0 || colon < slash);
    const remote = named ? cli.resource(text.slice(0, colon + 1)).remote : cli.config.defaultRemote;
    const path = named ? text.slice(colon + 1) : text;
    if (!path.startsWith('/')) throw new UserError('Query path must start with /');
    const client = await cli.server(remote);
    const data = bodyOf(flags.data);
    const headers = data === undefined ? {} : { headers: { 'content-type': 'application/json' } };
    const reply = await client.raw(flags.request, path, data, headers);
    const body = await readText(reply.body);

    const envelope = parse(body);
    if (!isRecord(envelope) || typeof envelope.type !== 'string' || !('metadata' in envelope || 'error' in envelope)) {
      out(body);
      return;
    }
    if (envelope.type === 'error') throw new ApiError(String(envelope.error), reply.status);
    const final = flags.wait ? await waitFor(client, envelope) : envelope;
    if (flags.raw) {
      out(`${JSON.stringify(final, null, '\t')}\n\n`);
      return;
    }
    const { metadata } = final;
    const nothing =
      metadata === null || metadata === undefined || (isRecord(metadata) && Object.keys(metadata).length === 0);
    if (!nothing) out(`${printJsonLines(metadata)}\n\n`);
  },
});
