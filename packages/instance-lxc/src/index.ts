export { balanceCpus } from './cpu-balance.ts';
export { lxc } from './driver.ts';
