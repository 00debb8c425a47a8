import { randomBytes } from 'node:crypto';
import { type CertificatePut, type CertificatesPost, certificateUrl, expiryDate } from '@lxd-ts/api';
import { badRequest, forbidden, notFound } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import { type Identity, isAdmin, isTrusted } from '../http/identity.ts';
import type { Operation } from '../operations/operation.ts';
import type { Operations } from '../operations/registry.ts';
import type { Settings } from '../server/settings.ts';
import { checkValidity, fingerprintOf, readCertificate } from './pem.ts';
import type { Certificate, CertificateStore } from './store.ts';
import { checkPassword, type Trust } from './trust.ts';

/** What a client hands in instead of the trust password: base64 of this JSON. */
const token = z.object({ secret: z.string().min(1), fingerprint: z.string() });

const issued = z.object({
  secret: z.string(),
  request: z.object({ name: z.string(), type: z.string(), restricted: z.boolean(), projects: z.array(z.string()) }),
  expiresAt: z.string().optional(),
});

const typeOf = (word: string): Certificate['type'] => {
  if (word === '' || word === 'client') return 'client';
  if (word === 'metrics') return 'metrics';
  throw badRequest(`Unknown certificate type "${word}": use client or metrics`);
};

export interface CertificateService {
  list(identity: Identity): Promise<readonly Certificate[]>;
  /** By fingerprint, which may be abbreviated. @throws LxdError not-found, bad-request when several match */
  get(identity: Identity, fingerprint: string): Promise<Certificate>;
  /**
   * Trusts a certificate: any, for an administrator; the caller's own, for somebody with the trust password or a token.
   *
   * @param presented - the certificate of the caller's TLS connection, PEM
   * @returns its fingerprint
   */
  add(identity: Identity, request: CertificatesPost, presented: string | undefined): Promise<string>;
  /** Makes a token by which one client can add itself. */
  issueToken(request: CertificatesPost): Operation;
  update(identity: Identity, fingerprint: string, change: CertificatePut, ifMatch: string | undefined): Promise<void>;
  remove(identity: Identity, fingerprint: string): Promise<void>;
}

interface Parts {
  readonly store: CertificateStore;
  readonly trust: Trust;
  readonly settings: Settings;
  readonly operations: Operations;
  readonly events: Events;
  /** Fingerprint of the server's own certificate, for tokens. */
  readonly serverFingerprint: string;
  /** Where the API listens, `host:port`. */
  readonly addresses: () => readonly string[];
}

/** The user-editable part, of which the ETag is made. */
export const editableCertificate = ({ name, type, restricted, projects, certificate }: Certificate) => ({
  name,
  type,
  restricted,
  projects,
  certificate,
});

export const createCertificateService = (parts: Parts): CertificateService => {
  const { store, trust, settings, operations, events } = parts;

  const list: CertificateService['list'] = async (identity) => {
    const all = await store.list();
    return isAdmin(identity) ? all : all.filter((one) => one.fingerprint === identity.name);
  };

  const get: CertificateService['get'] = async (identity, fingerprint) => {
    const found = (await list(identity)).filter((one) => fingerprint !== '' && one.fingerprint.startsWith(fingerprint));
    if (found.length > 1)
      throw badRequest(`Fingerprint "${fingerprint}" matches ${found.length} certificates: give more of it`);
    const [certificate] = found;
    if (!certificate) throw notFound('Certificate not found');
    return certificate;
  };

  /** The token operation whose secret is in the text; undefined when there is none (any more). */
  const tokenOperation = (text: string): Operation | undefined => {
    let parsed: z.infer<typeof token>;
    try {
      parsed = token.parse(JSON.parse(Buffer.from(text, 'base64').toString('utf8')));
    } catch {
      // Not a token: it is a password then.
      return undefined;
    }
    return operations
      .list()
      .find(
        (one) =>
          one.spec.class === 'token' &&
          !one.isFinal &&
          one.spec.description === 'Executing operation' &&
          one.metadata?.['secret'] === parsed.secret,
      );
  };

  /** What a stranger may have trusted: what the token says, or a plain client for the password. */
  const admit = async (
    request: CertificatesPost,
  ): Promise<Pick<Certificate, 'name' | 'type' | 'restricted' | 'projects'>> => {
    const operation = tokenOperation(request.password);
    if (operation) {
      const { request: allowed, expiresAt } = issued.parse(operation.metadata);
      operation.complete();
      if (expiresAt !== undefined && new Date(expiresAt) < new Date()) throw forbidden('The token has expired');
      return {
        name: allowed.name || request.name,
        type: typeOf(allowed.type),
        restricted: allowed.restricted,
        projects: allowed.projects,
      };
    }
    const stored = settings.get('core.trust_password');
    if (!stored || request.password === '' || !(await checkPassword(request.password, stored)))
      throw forbidden('not authorized');
    return { name: request.name, type: 'client', restricted: false, projects: [] };
  };

  return {
    list,
    get,

    async add(identity, request, presented) {
      const admin = isAdmin(identity);
      if (isTrusted(identity) && !admin)
        throw forbidden('The certificate is restricted to projects and may not do this');
      const allowed = admin
        ? { name: request.name, type: typeOf(request.type), restricted: request.restricted, projects: request.projects }
        : await admit(request);
      const text = request.certificate || presented;
      if (!text) throw badRequest('Field "certificate" is missing, and the connection presents no client certificate');
      const certificate = readCertificate(text);
      checkValidity(certificate);
      const fingerprint = fingerprintOf(certificate);
      await store.insert({ ...allowed, name: allowed.name || fingerprint.slice(0, 12), certificate, fingerprint });
      await trust.reload();
      events.lifecycle('certificate-created', certificateUrl(fingerprint));
      return fingerprint;
    },

    issueToken(request) {
      if (parts.addresses().length === 0) throw badRequest("Can't issue token when server isn't listening on network");
      if (request.name === '') throw badRequest('Field "name" is missing: the token is for a client of that name');
      const expiry = settings.get('core.remote_token_expiry');
      const expiresAt = expiry ? expiryDate(new Date(), expiry) : undefined;
      const { name, type, restricted, projects, certificate, password } = request;
      return operations.create({
        class: 'token',
        description: 'Executing operation',
        project: 'default',
        metadata: {
          addresses: parts.addresses(),
          fingerprint: parts.serverFingerprint,
          request: { name, type: typeOf(type), restricted, projects, certificate, password, token: true },
          secret: randomBytes(32).toString('hex'),
          ...(expiresAt ? { expiresAt: expiresAt.toISOString() } : {}),
        },
      });
    },

    async update(identity, fingerprint, change, ifMatch) {
      const before = await get(identity, fingerprint);
      checkIfMatch(ifMatch, editableCertificate(before));
      const certificate = change.certificate === '' ? before.certificate : readCertificate(change.certificate);
      const next = { ...change, type: typeOf(change.type), certificate, fingerprint: fingerprintOf(certificate) };
      if (!isAdmin(identity)) {
        const unchanged =
          next.restricted === before.restricted &&
          next.type === before.type &&
          next.name === before.name &&
          next.projects.join() === before.projects.join();
        if (!unchanged)
          throw forbidden('A restricted certificate may replace itself, not change its name, type or projects');
      }
      checkValidity(certificate);
      await store.update(before.id, next);
      await trust.reload();
      events.lifecycle('certificate-updated', certificateUrl(next.fingerprint));
    },

    async remove(identity, fingerprint) {
      const certificate = await get(identity, fingerprint);
      await store.delete(certificate.id);
      await trust.reload();
      events.lifecycle('certificate-deleted', certificateUrl(certificate.fingerprint));
    },
  };
};
