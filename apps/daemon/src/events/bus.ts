import { type EventType, eventTypes, type LifecycleAction } from '@lxd-ts/api';
import { requestor } from '../http/request.ts';

/** An event as it is sent (spec 09 EVT-03). */
export interface Event {
  readonly type: EventType;
  readonly timestamp: string;
  readonly metadata: unknown;
  readonly location: string;
  readonly project?: string;
}

export type Listener = (event: Event) => void;

export interface Events {
  /** Sends an event to everybody who listens. Costs nothing while nobody does. */
  publish(event: { type: EventType; project?: string; metadata: unknown }): void;
  /**
   * Publishes an audit event of something that was done.
   *
   * @param source - URL path of the object; `?project=` is added outside `default`
   * @param context - the keys documented for the action
   */
  lifecycle(
    action: LifecycleAction,
    source: string,
    project?: string,
    context?: Readonly<Record<string, unknown>>,
  ): void;
  /** @returns a function that stops the listening */
  subscribe(listener: Listener, types?: ReadonlySet<EventType>): () => void;
  /** Whether anybody wants events of that type: making one can be saved otherwise. */
  listens(type: EventType): boolean;
}

export const createEvents = (): Events => {
  const listeners = new Map<Listener, ReadonlySet<EventType>>();
  const listens: Events['listens'] = (type) => listeners.values().some((types) => types.has(type));

  const publish: Events['publish'] = ({ type, project, metadata }) => {
    if (!listens(type)) return;
    const event = {
      type,
      timestamp: new Date().toISOString(),
      metadata,
      location: 'none',
      ...(project === undefined ? {} : { project }),
    };
    for (const [listener, types] of listeners) if (types.has(type)) listener(event);
  };

  return {
    publish,

    lifecycle(action, source, project = 'default', context) {
      if (!listens('lifecycle')) return;
      const from = requestor();
      publish({
        type: 'lifecycle',
        project,
        metadata: {
          action,
          source: project === 'default' ? source : `${source}?project=${encodeURIComponent(project)}`,
          ...(context ? { context } : {}),
          ...(from ? { requestor: from } : {}),
        },
      });
    },

    subscribe(listener, types = new Set(eventTypes)) {
      listeners.set(listener, types);
      return () => listeners.delete(listener);
    },

    listens,
  };
};
