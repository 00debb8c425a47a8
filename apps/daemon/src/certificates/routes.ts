import { certificatePut, certificatesPost, certificateUrl, patchOf } from '@lxd-ts/api';
import { forbidden } from '@lxd-ts/driver-kit';
import { presentedCertificate } from '../http/caller.ts';
import { isAdmin } from '../http/identity.ts';
import { accepted, created, done, sync } from '../http/reply.ts';
import { json, param, recursionOf } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { type CertificateService, editableCertificate } from './service.ts';
import type { Certificate } from './store.ts';

const render = ({ name, type, restricted, projects, certificate, fingerprint }: Certificate) => ({
  name,
  type,
  restricted,
  projects,
  certificate,
  fingerprint,
});

export const certificateRoutes = (router: Router, certificates: CertificateService): void => {
  router.on('GET', '/1.0/certificates', async (request) => {
    const all = await certificates.list(request.identity);
    return sync(recursionOf(request) > 0 ? all.map(render) : all.map(({ fingerprint }) => certificateUrl(fingerprint)));
  });

  router.on(
    'POST',
    '/1.0/certificates',
    async (request) => {
      const body = await json(request, certificatesPost);
      if (body.token) {
        if (!isAdmin(request.identity)) throw forbidden('not authorized');
        return accepted(certificates.issueToken(body));
      }
      return created(
        certificateUrl(await certificates.add(request.identity, body, presentedCertificate(request.incoming))),
      );
    },
    'public',
  );

  router.on('GET', '/1.0/certificates/:fingerprint', async (request) => {
    const certificate = await certificates.get(request.identity, param(request, 'fingerprint'));
    return sync(render(certificate), editableCertificate(certificate));
  });

  router.on('PUT', '/1.0/certificates/:fingerprint', async (request) => {
    await certificates.update(
      request.identity,
      param(request, 'fingerprint'),
      await json(request, certificatePut),
      request.ifMatch,
    );
    return done();
  });

  router.on('PATCH', '/1.0/certificates/:fingerprint', async (request) => {
    const before = await certificates.get(request.identity, param(request, 'fingerprint'));
    const change = await json(request, patchOf(certificatePut));
    const { name, type, restricted, projects, certificate } = before;
    await certificates.update(
      request.identity,
      before.fingerprint,
      {
        name: change.name ?? name,
        type: change.type ?? type,
        restricted: change.restricted ?? restricted,
        projects: change.projects ?? [...projects],
        certificate: change.certificate ?? certificate,
      },
      request.ifMatch,
    );
    return done();
  });

  router.on('DELETE', '/1.0/certificates/:fingerprint', async (request) => {
    await certificates.remove(request.identity, param(request, 'fingerprint'));
    return done();
  });
};
