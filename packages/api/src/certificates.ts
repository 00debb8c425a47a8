import type * as z from 'zod';
import { choice, flag, struct, text, texts, time } from './schema.ts';

/** What a certificate may be trusted for. Empty stands for `client`. */
export const certificateTypes = ['client', 'metrics'] as const;

/** Body of PUT and PATCH on a trusted certificate. */
export const certificatePut = struct({
  name: text,
  type: text,
  restricted: flag,
  projects: texts,
  certificate: text,
});
export type CertificatePut = z.infer<typeof certificatePut>;

/** Body of `POST /1.0/certificates` (spec 09 EP-02). */
export const certificatesPost = struct({
  ...certificatePut.shape,
  type: choice('', 'client', 'metrics', 'server'),
  password: text,
  token: flag,
});
export type CertificatesPost = z.infer<typeof certificatesPost>;

export const certificate = struct({ ...certificatePut.shape, fingerprint: text });
export type Certificate = z.infer<typeof certificate>;

/** What a trust token holds, as base64 of this JSON. */
export const certificateAddToken = struct({
  client_name: text,
  fingerprint: text,
  addresses: texts,
  secret: text,
  expires_at: time,
});
export type CertificateAddToken = z.infer<typeof certificateAddToken>;
