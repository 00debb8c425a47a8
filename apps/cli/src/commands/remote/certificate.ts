import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../command/errors.ts';
import { out } from '../../output/streams.ts';
import { ask } from '../common/input.ts';

/** A server's certificate as it shows it to anyone who connects. */
export interface ServerCertificate {
  pem: string;
  /** SHA-256 of the DER form, in hex. */
  fingerprint: string;
  /** Whether the system's own list of authorities vouches for it under the name that was used. */
  authorised: boolean;
}

/** Connects to a server just to see its certificate. */
export const fetchCertificate = (url: string): Promise<ServerCertificate> => {
  const tls = process.getBuiltinModule('node:tls');
  const net = process.getBuiltinModule('node:net');
  const { createHash } = process.getBuiltinModule('node:crypto');
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host,
      port: Number(port === '' ? '443' : port),
      rejectUnauthorized: false,
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
    });
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate();
      const body = raw.toString('base64').replace(/.{1,64}/g, '$&\n');
      resolve({
        pem: `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n`,
        fingerprint: createHash('sha256').update(raw).digest('hex'),
        authorised: socket.authorized,
      });
      socket.destroy();
    });
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      const unknown = 'code' in cause && (cause.code === 'ENOTFOUND' || cause.code === 'EAI_AGAIN');
      const why = unknown ? `no address is known for ${host}` : cause.message;
      reject(new UserError(`Get "${url}": Unable to connect to: ${host}:${port} (${why})`));
    });
  });
};

/** Asks the user whether a certificate is the right one. Throws UserError if not. */
export const confirmCertificate = ({ fingerprint }: ServerCertificate): void => {
  out(`Certificate fingerprint: ${fingerprint}\n`);
  const answer = ask('ok (y/n/[fingerprint])? ').toLowerCase();
  if (answer === 'y' || answer === 'yes' || answer === fingerprint) return;
  if (['', 'n', 'no'].includes(answer)) throw new UserError('Server certificate NACKed by user');
  throw new UserError("Please type 'y', 'n' or the fingerprint:");
};

/** Where the certificate remembered for a remote is kept. */
export const certificatePath = (directory: string, remote: string): string =>
  join(directory, 'servercerts', `${remote}.crt`);

export const rememberCertificate = (directory: string, remote: string, pem: string): void => {
  mkdirSync(join(directory, 'servercerts'), { recursive: true, mode: 0o750 });
  writeFileSync(certificatePath(directory, remote), pem, { mode: 0o600 });
};
