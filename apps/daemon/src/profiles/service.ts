import { checkName, type ProfilePut, profileUrl } from '@lxd-ts/api';
import { badRequest, conflict, validateConfig, withoutEmpty } from '@lxd-ts/driver-kit';
import { instanceKeys } from '../config/instance-keys.ts';
import type { DeviceManager } from '../devices/manager.ts';
import type { Events } from '../events/bus.ts';
import { checkIfMatch } from '../http/etag.ts';
import type { Replacement } from '../instances/service.ts';
import type { Profile, ProfileContent, ProfileStore } from './store.ts';

export interface ProfileService {
  list(project: string | undefined): Promise<readonly Profile[]>;
  get(project: string, name: string): Promise<Profile>;
  create(project: string, name: string, content: ProfileContent): Promise<void>;
  /**
   * Changes a profile and every instance that uses it; if an instance cannot follow, the profile stays as it was.
   *
   * @throws LxdError precondition-failed, bad-request
   */
  update(project: string, name: string, content: ProfileContent, ifMatch: string | undefined): Promise<void>;
  /** Changes the fields given. */
  patch(
    project: string,
    name: string,
    change: { [Field in keyof ProfilePut]?: ProfilePut[Field] | undefined },
    ifMatch: string | undefined,
  ): Promise<void>;
  rename(project: string, name: string, to: string): Promise<void>;
  delete(project: string, name: string): Promise<void>;
}

interface Parts {
  readonly store: ProfileStore;
  readonly devices: DeviceManager;
  readonly events: Events;
  /** Changes a profile, and the instances that use it with it: all of them, or nothing. */
  readonly follow: (profile: Profile, content: ProfileContent, record: Replacement) => Promise<void>;
}

/** The user-editable part of a profile, of which its ETag is made. */
export const editableProfile = ({ description, config, devices }: ProfileContent): ProfileContent => ({
  description,
  config,
  devices,
});

export const createProfileService = ({ store, devices, events, follow }: Parts): ProfileService => {
  const check = (project: string, content: ProfileContent): ProfileContent => {
    const config = withoutEmpty(content.config);
    validateConfig(instanceKeys, config, 'instance');
    const own = Object.keys(config).find((key) => key.startsWith('volatile.') || key.startsWith('image.'));
    if (own) throw badRequest(`Key "${own}" cannot be set in a profile: the server keeps it for each instance`);
    devices.validate(content.devices, project, undefined);
    return { ...content, config };
  };

  const update: ProfileService['update'] = async (project, name, content, ifMatch) => {
    const before = await store.get(project, name);
    checkIfMatch(ifMatch, editableProfile(before));
    const after = check(project, content);
    await follow(before, after, {
      save: () => store.update(before, after),
      restore: () => store.update(before, before),
    });
    events.lifecycle('profile-updated', profileUrl(name), project);
  };

  return {
    list: (project) => store.list(project),
    get: (project, name) => store.get(project, name),

    async create(project, name, content) {
      checkName('profile', name);
      await store.insert(project, name, check(project, content));
      events.lifecycle('profile-created', profileUrl(name), project);
    },

    update,

    async patch(project, name, change, ifMatch) {
      const before = await store.get(project, name);
      await update(
        project,
        name,
        {
          description: change.description ?? before.description,
          config: { ...before.config, ...change.config },
          devices: { ...before.devices, ...change.devices },
        },
        ifMatch,
      );
    },

    async rename(project, name, to) {
      if (name === 'default') throw badRequest('The "default" profile cannot be renamed');
      checkName('profile', to);
      await store.rename(await store.get(project, name), to);
      events.lifecycle('profile-renamed', profileUrl(to), project, { old_name: name });
    },

    async delete(project, name) {
      if (name === 'default') throw badRequest('The "default" profile cannot be deleted');
      const profile = await store.get(project, name);
      if (profile.instances.length > 0) {
        throw conflict(
          `Profile "${name}" is currently in use by: ${profile.instances.map((one) => one.name).join(', ')}`,
        );
      }
      await store.delete(profile);
      events.lifecycle('profile-deleted', profileUrl(name), project);
    },
  };
};
