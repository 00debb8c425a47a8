import { webcrypto } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isErrno } from '@lxd-ts/host';
import { fingerprintOf } from '../certificates/pem.ts';

/** A certificate with its key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
  /** SHA-256 of the certificate's DER form, in hex. */
  readonly fingerprint: string;
}

const tenYears = 10 * 365 * 24 * 3600 * 1000;

/** Makes a self-signed ECDSA P-384 certificate, as LXD's own (spec 01.147). */
const generate = async (): Promise<Omit<KeyPair, 'fingerprint'>> => {
  // Loaded only when a certificate must be made: it is large, and that is once.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const name = hostname();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(16))).toString('hex'),
    name: `CN=root@${name}, O=LXD`,
    notBefore: new Date(),
    notAfter: new Date(Date.now() + tenYears),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: name },
        { type: 'ip', value: '127.0.0.1' },
        { type: 'ip', value: '::1' },
      ]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END PRIVATE KEY-----\n`;
  return { certificate: `${certificate.toString('pem')}\n`, key };
};

/** The server's certificate, `server.crt` and `server.key` in the data directory; made when there is none (spec 01.143). */
export const loadServerCertificate = async (directory: string): Promise<KeyPair> => {
  const files = { certificate: join(directory, 'server.crt'), key: join(directory, 'server.key') };
  try {
    const [certificate, key] = await Promise.all([readFile(files.certificate, 'utf8'), readFile(files.key, 'utf8')]);
    return { certificate, key, fingerprint: fingerprintOf(certificate) };
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const pair = await generate();
  // The key first and each by rename: a crash between leaves no certificate, and the pair is made anew.
  for (const [file, text] of [
    [files.key, pair.key],
    [files.certificate, pair.certificate],
  ] as const) {
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  return { ...pair, fingerprint: fingerprintOf(pair.certificate) };
};
