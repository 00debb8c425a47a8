export { cephfs } from './cephfs/driver.ts';
export { cephobject } from './object/driver.ts';
export { ceph } from './rbd/driver.ts';
