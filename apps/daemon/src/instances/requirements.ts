import { badRequest, isTrueOrUnset } from '@lxd-ts/driver-kit';
import { type CgroupLayout, cgroupLayout } from '@lxd-ts/host';
import type { Instance } from './instance.ts';

/**
 * Refuses to start an instance whose image needs what is not here (spec 04.54–57).
 *
 * @param cgroups - the control groups of the host
 * @throws LxdError bad-request
 */
export const checkRequirements = (
  { type, expanded: { config } }: Pick<Instance, 'type' | 'expanded'>,
  cgroups: CgroupLayout['kind'] = cgroupLayout().kind,
): void => {
  if (config['image.requirements.cgroup'] === 'v1' && cgroups === 'v2')
    throw badRequest('The image used by this instance requires a CGroupV1 host system');
  if (
    type === 'virtual-machine' &&
    config['image.requirements.secureboot'] === 'false' &&
    isTrueOrUnset(config['security.secureboot'])
  ) {
    throw badRequest(
      'The image used by this instance is incompatible with secureboot. Please set security.secureboot=false on the instance',
    );
  }
};
