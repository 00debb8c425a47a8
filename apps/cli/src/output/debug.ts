import type { Trace } from '@lxd-ts/client';
import { err } from './streams.ts';

/** One line in the form of logfmt, as the reference client logs. */
const line = (message: string, fields = ''): void => {
  const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  err(`time="${time}" level=debug msg=${JSON.stringify(message)}${fields}\n`);
};

const pretty = (body: string): string => {
  try {
    return `\n\t${JSON.stringify(JSON.parse(body), null, '\t').replaceAll('\n', '\n\t')}`;
  } catch {
    // Not JSON: an upload or a log, shown as it is.
    return body;
  }
};

/** Prints requests and replies to the standard error output, for `--debug`. */
export const trace: Trace = (event) => {
  if (event.kind === 'request') {
    line('Sending request to LXD', ` etag=${event.etag} method=${event.method} url="${event.path}"`);
  } else {
    line('Got response struct from LXD', ` status=${event.status}`);
  }
  if (event.body !== '') line(pretty(event.body));
};
