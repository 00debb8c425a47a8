import { createHash, X509Certificate } from 'node:crypto';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';

/** SHA-256 of a certificate's DER form, in lower-case hex: the name certificates go by in the API. */
export const fingerprintOf = (certificate: string | Uint8Array): string =>
  createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex');

/**
 * A certificate as a client sends it: PEM, or the base64 of its DER form without the lines around it.
 *
 * @returns PEM
 * @throws LxdError bad-request
 */
export const readCertificate = (text: string): string => {
  try {
    const parsed = new X509Certificate(text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64'));
    return parsed.toString();
  } catch (error) {
    throw badRequest(`Field "certificate" is not an X.509 certificate (PEM, or base64 of DER): ${messageOf(error)}`, {
      cause: error,
    });
  }
};

/** Refuses a certificate outside its time of validity. @throws LxdError bad-request */
export const checkValidity = (pem: string, now = new Date()): void => {
  const { validFrom, validTo } = new X509Certificate(pem);
  if (now < new Date(validFrom)) throw badRequest(`The provided certificate isn't valid yet (from ${validFrom})`);
  if (now > new Date(validTo)) throw badRequest(`The provided certificate is expired (${validTo})`);
};
