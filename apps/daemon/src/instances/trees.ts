import { resourceUrl } from '@lxd-ts/api';
import type { InstanceType } from '@lxd-ts/driver-kit';

/** The tree of instances and its type-filtered twins (spec 09 API-05). */
export const instanceTrees: readonly { readonly root: string; readonly base: string; readonly type?: InstanceType }[] =
  [
    { root: 'instances', base: '/1.0/instances' },
    { root: 'containers', base: '/1.0/containers', type: 'container' },
    { root: 'virtual-machines', base: '/1.0/virtual-machines', type: 'virtual-machine' },
  ];

/** URLs of an instance for an operation's `resources`; containers are named twice for old clients. */
export const instanceResources = (instance: {
  name: string;
  project: string;
  type: InstanceType;
}): Record<string, string[]> => {
  const url = (root: string): string[] => [resourceUrl([root, instance.name], { project: instance.project })];
  return { instances: url('instances'), ...(instance.type === 'container' ? { containers: url('containers') } : {}) };
};
