import { type Database, sqlConsole } from '@lxd-ts/database';
import { badRequest, defaultLoopSize, messageOf } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import type { Directories } from '../core/directories.ts';
import type { Drivers } from '../drivers/registry.ts';
import { done, sync } from '../http/reply.ts';
import { json } from '../http/request.ts';
import type { Router } from '../http/router.ts';

const sqlPost = z.object({ database: z.enum(['local', 'global']), query: z.string().min(1) });

/** Calls of the `lxd` program to the daemon beside it (spec 09 §6): not part of the API, and for local callers only. */
export const internalRoutes = (
  router: Router,
  parts: {
    readonly local: Database;
    readonly global: Database;
    readonly drivers: Pick<Drivers, 'workingStorage'>;
    readonly directories: Pick<Directories, 'disks'>;
  },
  shutdown: (force: boolean) => void,
): void => {
  router.on('GET', '/internal/ready', () => done(), 'local');

  // What `lxd init` offers and proposes, which the API does not tell.
  router.on(
    'GET',
    '/internal/init',
    async () => {
      const offered = parts.drivers.workingStorage().filter(({ driver }) => driver.features.offeredByInit);
      return sync({
        storage_drivers: offered.map(({ driver: { name, features } }) => ({
          name,
          loop_files: features.loopFiles,
          remote: features.remote,
        })),
        loop_size: await defaultLoopSize(parts.directories.disks),
      });
    },
    'local',
  );

  router.on(
    'PUT',
    '/internal/shutdown',
    (request) => {
      const force = request.query.get('force') === '1';
      // After the reply is out.
      setImmediate(() => shutdown(force));
      return done();
    },
    'local',
  );

  router.on(
    'POST',
    '/internal/sql',
    async (request) => {
      const { database, query } = await json(request, sqlPost);
      try {
        const answer = await sqlConsole(parts[database], query);
        if ('text' in answer) return sync({ Text: answer.text, Results: [] });
        return sync({
          Results: answer.results.map(({ type, columns, rows, rowsAffected }) => ({
            type,
            columns,
            rows,
            rows_affected: rowsAffected,
          })),
        });
      } catch (error) {
        throw badRequest(`Failed to run the query: ${messageOf(error)}`, { cause: error });
      }
    },
    'local',
  );
};
