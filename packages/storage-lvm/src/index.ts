export { lvm } from './driver.ts';
