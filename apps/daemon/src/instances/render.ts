import { join } from 'node:path';
import { handleOf, type Instance } from './instance.ts';
import { type Run, statusOf } from './running.ts';

/** The time an instance that never ran was last used, as the API gives it. */
const never = '1970-01-01T00:00:00Z';

/** An instance on the wire. */
export const renderInstance = (instance: Instance, run: Run | undefined) => ({
  architecture: instance.architecture,
  config: instance.config,
  devices: instance.devices,
  ephemeral: instance.ephemeral,
  profiles: instance.profiles,
  stateful: instance.stateful,
  description: instance.description,
  created_at: instance.createdAt.toISOString(),
  expanded_config: instance.expanded.config,
  expanded_devices: instance.expanded.devices,
  name: instance.name,
  ...statusOf(run),
  last_used_at: instance.lastUsedAt?.toISOString() ?? never,
  location: 'none',
  type: instance.type,
  project: instance.project,
});

/** The user-editable part, of which the ETag is made. Volatile keys are the server's own and do not count. */
export const editableInstance = ({ architecture, config, devices, ephemeral, profiles, description }: Instance) => ({
  architecture,
  config: Object.fromEntries(Object.entries(config).filter(([key]) => !key.startsWith('volatile.'))),
  devices,
  ephemeral,
  profiles,
  description,
});

/** Files that the log API shows of an instance. */
export const logDirectory = (logs: string, instance: Pick<Instance, 'name' | 'project'>): string =>
  join(logs, handleOf(instance));
