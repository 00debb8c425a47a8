export { lxc } from './driver.ts';
