import { type Database, sqlConsole } from '@lxd-ts/database';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { done, sync } from '../http/reply.ts';
import { json } from '../http/request.ts';
import type { Router } from '../http/router.ts';

const sqlPost = z.object({ database: z.enum(['local', 'global']), query: z.string().min(1) });

/** Calls of the `lxd` program to the daemon beside it (spec 09 §6): not part of the API, and for local callers only. */
export const internalRoutes = (
  router: Router,
  databases: { readonly local: Database; readonly global: Database },
  shutdown: (force: boolean) => void,
): void => {
  router.on('GET', '/internal/ready', () => done(), 'local');

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
        const answer = await sqlConsole(databases[database], query);
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
