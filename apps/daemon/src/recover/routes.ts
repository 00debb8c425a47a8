import { storagePoolsPost } from '@lxd-ts/api';
import { z } from 'zod';
import type { Locks } from '../core/locks.ts';
import { done, sync } from '../http/reply.ts';
import { json } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import { type Findings, type RequestedPool, renderFindings } from './findings.ts';

interface Parts {
  readonly locks: Locks;
  readonly scan: (requested: readonly RequestedPool[]) => Promise<Findings>;
  /** Records what a scan finds. */
  readonly recover: (requested: readonly RequestedPool[]) => Promise<void>;
}

const recoverPost = z.object({ pools: z.array(storagePoolsPost).min(1) });

/** What `lxd recover` calls (spec 10 REC-05), for local callers only. */
export const recoverRoutes = (router: Router, { locks, scan, recover }: Parts): void => {
  router.on(
    'POST',
    '/internal/recover/validate',
    async (request) => {
      const { pools } = await json(request, recoverPost);
      // Two at once would mount and unmount each other's pools.
      using _lock = await locks.hold('recovery', 'scan');
      return sync(renderFindings(await scan(pools)));
    },
    'local',
  );

  router.on(
    'POST',
    '/internal/recover/import',
    async (request) => {
      const { pools } = await json(request, recoverPost);
      using _lock = await locks.hold('recovery', 'import');
      await recover(pools);
      return done();
    },
    'local',
  );
};
