import type { IdKind } from './idmap.ts';

// linux/posix_acl_xattr.h: u32 version, then entries of u16 tag, u16 permissions, u32 id, little endian.
const ACL_HEADER = 4;
const ACL_ENTRY = 8;
const ACL_TAG_USER = 0x02;
const ACL_TAG_GROUP = 0x08;

// linux/capability.h: u32 magic and flags, then two pairs of u32, and since revision 3 the u32 root id.
const CAP_REVISION_MASK = 0xff000000;
const CAP_REVISION_2 = 0x02000000;
const CAP_REVISION_3 = 0x03000000;
const CAP_2_SIZE = 20;

/** Translates the users and groups that a POSIX ACL (the value of system.posix_acl_*) names. */
export function shiftAcl(value: Uint8Array, shift: (kind: IdKind, id: number) => number): Buffer {
  const acl = Buffer.from(value);
  for (let at = ACL_HEADER; at + ACL_ENTRY <= acl.length; at += ACL_ENTRY) {
    const tag = acl.readUInt16LE(at);
    if (tag !== ACL_TAG_USER && tag !== ACL_TAG_GROUP) continue;
    const id = acl.readUInt32LE(at + 4);
    acl.writeUInt32LE(shift(tag === ACL_TAG_USER ? 'uid' : 'gid', id), at + 4);
  }
  return acl;
}

/**
 * Translates the user namespace root of a file capability (the value of security.capability, capabilities(7)).
 * One that belongs to uid 0 is written in revision 2, any other in revision 3. Older revisions stay as they are.
 */
export function shiftCapability(value: Uint8Array, shift: (uid: number) => number): Buffer {
  const capability = Buffer.from(value);
  const magic = capability.readUInt32LE(0);
  const revision = (magic & CAP_REVISION_MASK) >>> 0;
  if (revision !== CAP_REVISION_2 && revision !== CAP_REVISION_3) return capability;
  const root = shift(revision === CAP_REVISION_3 ? capability.readUInt32LE(CAP_2_SIZE) : 0);
  const flags = (magic & ~CAP_REVISION_MASK) >>> 0;
  const shifted = Buffer.alloc(root === 0 ? CAP_2_SIZE : CAP_2_SIZE + 4);
  capability.copy(shifted, 0, 0, CAP_2_SIZE);
  shifted.writeUInt32LE(((root === 0 ? CAP_REVISION_2 : CAP_REVISION_3) | flags) >>> 0, 0);
  if (root !== 0) shifted.writeUInt32LE(root, CAP_2_SIZE);
  return shifted;
}
