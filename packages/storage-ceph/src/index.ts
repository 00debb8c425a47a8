export { ceph } from './rbd/driver.ts';
