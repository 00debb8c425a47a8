export { btrfs } from './driver.ts';
