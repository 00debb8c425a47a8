import { expect, test } from 'vitest';
import { checkRequirements } from './requirements.ts';

const machine = (type: 'container' | 'virtual-machine', config: Record<string, string>) => ({
  type,
  expanded: { config, devices: {} },
});

test('[04.54 04.56 04.171] an image for cgroup v1 does not start where there is v2 alone', () => {
  const container = machine('container', { 'image.requirements.cgroup': 'v1' });
  expect(() => checkRequirements(container, 'v2')).toThrow('requires a CGroupV1 host');
  checkRequirements(container, 'hybrid');
  checkRequirements(container, 'v1');
  checkRequirements(machine('container', {}), 'v2');
});

test('[04.55 04.57 04.177] an image that cannot boot under secure boot needs it off; other requirements mean nothing', () => {
  const image = { 'image.requirements.secureboot': 'false', 'image.requirements.other': 'x' };
  expect(() => checkRequirements(machine('virtual-machine', image))).toThrow('incompatible with secureboot');
  checkRequirements(machine('virtual-machine', { ...image, 'security.secureboot': 'false' }));
  checkRequirements(machine('container', image));
});
