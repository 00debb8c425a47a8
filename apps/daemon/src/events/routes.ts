import { type EventType, eventTypes } from '@lxd-ts/api';
import { badRequest, forbidden } from '@lxd-ts/driver-kit';
import { isAdmin } from '../http/identity.ts';
import type { Router } from '../http/router.ts';
import { acceptWebSocket } from '../http/websocket.ts';
import type { Events } from './bus.ts';

const isEventType = (name: string): name is EventType => (eventTypes as readonly string[]).includes(name);

export const eventRoutes = (router: Router, events: Events): void => {
  router.onUpgrade('/1.0/events', async (request, socket, head) => {
    const names = (request.query.get('type') ?? '').split(',').filter((name) => name !== '');
    const wanted = new Set<EventType>();
    for (const name of names.length > 0 ? names : isAdmin(request.identity) ? eventTypes : ['lifecycle', 'operation']) {
      if (!isEventType(name)) throw badRequest(`"${name}" isn't a supported event type: use ${eventTypes.join(', ')}`);
      wanted.add(name);
    }
    if (wanted.has('logging') && !isAdmin(request.identity))
      throw forbidden('Logging events are for server administrators');
    const all = request.query.get('all-projects') === 'true';
    if (all && request.query.get('project')) throw badRequest('Give either project or all-projects, not both');
    if (all && request.identity.projects) throw forbidden('The certificate is restricted to projects');

    const webSocket = await acceptWebSocket(request.incoming, socket, head);
    const stop = events.subscribe((event) => {
      if (!all && event.project !== undefined && event.project !== request.project) return;
      webSocket.send(JSON.stringify(event));
    }, wanted);
    webSocket.on('close', stop);
  });
};
