import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { checkName, instanceUrl, resourceUrl } from '@lxd-ts/api';
import { isKind } from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import type { Events } from '../events/bus.ts';
import { done, sync } from '../http/reply.ts';
import { type ApiRequest, param } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { sendFile } from '../http/send-file.ts';
import {
  checkLogName,
  checkOutputName,
  deleteLog,
  deleteOutput,
  listLogs,
  listOutputs,
  outputDirectory,
} from './logs.ts';
import { logDirectory } from './render.ts';
import type { InstanceService } from './service.ts';
import { instanceTrees } from './trees.ts';

/** @param logs - `<LXD_DIR>/logs` */
export const logRoutes = (router: Router, instances: InstanceService, events: Events, logs: string): void => {
  /** The log directory of the instance that a request names, which may be gone while its logs are not (spec 09 EP-05). */
  const find = async (request: ApiRequest): Promise<{ name: string; directory: string }> => {
    const name = param(request, 'name');
    try {
      return { name, directory: logDirectory(logs, await instances.get(request.project, name)) };
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
      checkName('instance', name);
      checkName('project', request.project);
      const directory = logDirectory(logs, { name, project: request.project });
      await access(directory).catch((missing: unknown) => {
        throw isErrno(missing, 'ENOENT') ? error : missing;
      });
      return { name, directory };
    }
  };

  const audit = (action: 'instance-log-retrieved' | 'instance-log-deleted', request: ApiRequest, file: string): void =>
    events.lifecycle(action, instanceUrl(param(request, 'name')), request.project, { file });

  for (const { base, root } of instanceTrees) {
    const urls = (request: ApiRequest, directories: readonly string[], files: readonly string[]): string[] =>
      files.map((file) =>
        resourceUrl([root, param(request, 'name'), ...directories, file], { project: request.project }),
      );

    router.on('GET', `${base}/:name/logs`, async (request) => {
      const { directory } = await find(request);
      return sync(urls(request, ['logs'], await listLogs(directory)));
    });

    // Before those of single logs, whose pattern fits these too.
    router.on('GET', `${base}/:name/logs/exec-output`, async (request) => {
      const { directory } = await find(request);
      return sync(urls(request, ['logs', 'exec-output'], await listOutputs(directory)));
    });

    router.on('GET', `${base}/:name/logs/exec-output/:file`, async (request) => {
      const file = param(request, 'file');
      checkOutputName(file);
      const { directory } = await find(request);
      const reply = await sendFile(request, join(outputDirectory(directory), file), file);
      audit('instance-log-retrieved', request, file);
      return reply;
    });

    router.on('DELETE', `${base}/:name/logs/exec-output/:file`, async (request) => {
      const { directory } = await find(request);
      await deleteOutput(directory, param(request, 'file'));
      audit('instance-log-deleted', request, param(request, 'file'));
      return done();
    });

    router.on('GET', `${base}/:name/logs/:file`, async (request) => {
      const file = param(request, 'file');
      checkLogName(file);
      const { directory } = await find(request);
      const reply = await sendFile(request, join(directory, file), file);
      audit('instance-log-retrieved', request, file);
      return reply;
    });

    router.on('DELETE', `${base}/:name/logs/:file`, async (request) => {
      const { directory } = await find(request);
      await deleteLog(directory, param(request, 'file'));
      audit('instance-log-deleted', request, param(request, 'file'));
      return done();
    });
  }
};
