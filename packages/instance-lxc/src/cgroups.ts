import { type Cgroup, cgroupAt, cgroupLayout } from '@lxd-ts/host';
import type { Place } from './place.ts';

/** The cgroup that holds a container's processes. */
export const payloadCgroup = (place: Place): Cgroup => cgroupAt(place.payloadCgroup);

/** All cgroups that liblxc makes for a container and its monitor: also in a unified tree without controllers. */
export const allCgroups = (place: Place): Cgroup[] => {
  const layout = cgroupLayout();
  const { unified: mount } = layout;
  const layouts =
    mount === undefined || layout.kind === 'v2'
      ? [layout]
      : [layout, { ...layout, controllers: new Map([['freezer', { version: 2 as const, mount }]]) }];
  return [place.payloadCgroup, place.monitorCgroup].flatMap((path) => layouts.map((each) => cgroupAt(path, each)));
};
