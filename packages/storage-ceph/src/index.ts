export { cephfs } from './cephfs/driver.ts';
export { ceph } from './rbd/driver.ts';
