/** Options that mount(2) takes as flags (linux/mount.h); a second name in `clears` takes the flag away again. */
const flagNames: Record<string, number> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  sync: 0x10,
  remount: 0x20,
  mand: 0x40,
  dirsync: 0x80,
  nosymfollow: 0x100,
  noatime: 0x400,
  nodiratime: 0x800,
  bind: 0x1000,
  rbind: 0x1000 | 0x4000,
  silent: 0x8000,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  runbindable: (1 << 17) | 0x4000,
  rprivate: (1 << 18) | 0x4000,
  rslave: (1 << 19) | 0x4000,
  rshared: (1 << 20) | 0x4000,
  relatime: 1 << 21,
  strictatime: 1 << 24,
  lazytime: 1 << 25,
};

const clears: Record<string, string> = {
  rw: 'ro',
  suid: 'nosuid',
  dev: 'nodev',
  exec: 'noexec',
  async: 'sync',
  atime: 'noatime',
  diratime: 'nodiratime',
  symfollow: 'nosymfollow',
  loud: 'silent',
  norelatime: 'relatime',
  nostrictatime: 'strictatime',
  nolazytime: 'lazytime',
};

/**
 * Splits a comma list of mount options, as in fstab(5), into the flags of mount(2) and the data string for the file system.
 * `defaults` and fstab's own words (`auto`, `noauto`, `user`, `nofail`, `_netdev`, `x-…`) mean nothing to the kernel and are dropped.
 */
export function parseMountOptions(options: string): { flags: number; data: string } {
  let flags = 0;
  const data: string[] = [];
  for (const option of options.split(',')) {
    const flag = flagNames[option];
    const cleared = flagNames[clears[option] ?? ''];
    if (flag !== undefined) flags |= flag;
    else if (cleared !== undefined) flags &= ~cleared;
    else if (!/^(|defaults|auto|noauto|user|nouser|users|owner|nofail|_netdev|x-.*)$/.test(option)) data.push(option);
  }
  return { flags, data: data.join(',') };
}
