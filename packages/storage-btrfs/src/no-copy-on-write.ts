import { ioctl } from '@lxd-ts/driver-kit';

// linux/fs.h; the argument is an int, whatever the number's size field says.
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_NOCOW_FL = 0x00800000;

/** Makes new files in a directory be written in place, as `chattr +C` does. Snapshots of them still share what is not rewritten. */
export const turnOffCopyOnWrite = (directoryFd: number): void => {
  const flags = Buffer.alloc(8);
  ioctl(directoryFd, FS_IOC_GETFLAGS, flags);
  flags.writeUInt32LE((flags.readUInt32LE() | FS_NOCOW_FL) >>> 0);
  ioctl(directoryFd, FS_IOC_SETFLAGS, flags);
};
