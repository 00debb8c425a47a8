export { zfs } from './driver.ts';
