import type { Duplex } from 'node:stream';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import type { Logger } from 'pino';
import { param } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { InstanceFiles } from './files.ts';
import type { Instance } from './instance.ts';
import type { InstanceService } from './service.ts';
import { serveSftp } from './sftp.ts';
import { instanceTrees } from './trees.ts';

const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: sftp\r\nConnection: Upgrade\r\n\r\n';

/** @param open - opens the files of an instance as seen inside */
export const sftpRoutes = (
  router: Router,
  instances: InstanceService,
  open: (instance: Instance) => Promise<InstanceFiles>,
  log: Logger,
): void => {
  const serve = async (instance: Instance, socket: Duplex, files: InstanceFiles): Promise<void> => {
    await using _closed = files;
    // An open root would keep the mounts of a container that has stopped.
    void instances.runOf(instance)?.running.stopped.then(() => socket.destroy());
    try {
      await serveSftp(socket, files);
      socket.end();
    } catch (error) {
      log.debug({ instance: instance.name }, `An SFTP connection ended: ${messageOf(error)}`);
      socket.destroy();
    }
  };

  for (const { base } of instanceTrees) {
    router.onUpgrade(`${base}/:name/sftp`, async (request, socket, head) => {
      if (request.incoming.headers.upgrade?.toLowerCase() !== 'sftp') {
        throw badRequest('Missing or invalid upgrade header');
      }
      const instance = await instances.get(request.project, param(request, 'name'));
      const files = await open(instance);
      socket.write(upgraded);
      if (head.length > 0) socket.unshift(head);
      void serve(instance, socket, files);
    });

    router.on('GET', `${base}/:name/sftp`, () => {
      throw badRequest('Missing or invalid upgrade header');
    });
  }
};
