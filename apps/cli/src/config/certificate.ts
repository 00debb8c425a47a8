import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { err } from '../output/streams.ts';

/** The key pair a client shows to servers, as PEM texts. */
export interface ClientKeys {
  clientCertificate: string;
  clientKey: string;
}

/** Makes a self-signed client certificate: ECDSA on P-384, valid for ten years (spec 01, client directories). */
const generate = async (): Promise<ClientKeys> => {
  // What @peculiar/x509 is built with wants it to be there first.
  await import('reflect-metadata');
  const {
    X509CertificateGenerator,
    BasicConstraintsExtension,
    ExtendedKeyUsageExtension,
    KeyUsageFlags,
    KeyUsagesExtension,
  } = await import('@peculiar/x509');
  const { webcrypto, KeyObject, randomBytes } = process.getBuiltinModule('node:crypto');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const day = 86_400_000;
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: `00${randomBytes(16).toString('hex')}`,
      name: [{ O: ['linuxcontainers.org'] }, { CN: [`${userInfo().username}@${hostname()}`] }],
      notBefore: new Date(),
      notAfter: new Date(Date.now() + 3650 * day),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
        new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.2']),
        new BasicConstraintsExtension(false, undefined, true),
      ],
    },
    webcrypto,
  );
  const clientKey = KeyObject.from(keys.privateKey).export({ type: 'sec1', format: 'pem' }).toString();
  return { clientCertificate: `${certificate.toString('pem')}\n`, clientKey };
};

/**
 * The client's key pair from its configuration directory.
 *
 * @param create - makes one if there is none; without it a missing pair gives nothing
 */
export const clientKeys = async (directory: string, { create }: { create: boolean }): Promise<Partial<ClientKeys>> => {
  const certificatePath = join(directory, 'client.crt');
  const keyPath = join(directory, 'client.key');
  if (existsSync(certificatePath) && existsSync(keyPath)) {
    return { clientCertificate: readFileSync(certificatePath, 'utf8'), clientKey: readFileSync(keyPath, 'utf8') };
  }
  if (!create) return {};
  err('Generating a client certificate. This may take a minute...\n');
  const keys = await generate();
  mkdirSync(directory, { recursive: true, mode: 0o750 });
  writeFileSync(keyPath, keys.clientKey, { mode: 0o600 });
  writeFileSync(certificatePath, keys.clientCertificate, { mode: 0o644 });
  return keys;
};
