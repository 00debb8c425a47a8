/** Numbers of the system calls that can be intercepted (asm/unistd_64.h, asm-generic/unistd.h). */
const numbers = {
  // AUDIT_ARCH_X86_64
  3221225534: {
    mknod: 133,
    mknodat: 259,
    setxattr: 188,
    lsetxattr: 189,
    fsetxattr: 190,
    sched_setscheduler: 144,
    sysinfo: 99,
    mount: 165,
  },
  // AUDIT_ARCH_AARCH64
  3221225655: {
    mknod: undefined,
    mknodat: 33,
    setxattr: 5,
    lsetxattr: 6,
    fsetxattr: 7,
    sched_setscheduler: 119,
    sysinfo: 179,
    mount: 40,
  },
} as const;

export type Call = keyof (typeof numbers)[0xc000003e];

const byNumber = new Map(
  Object.entries(numbers).map(([architecture, calls]) => [
    Number(architecture),
    new Map<number | undefined, string>(Object.entries(calls).map(([name, number]) => [number, name])),
  ]),
);

const isCall = (name: string | undefined): name is Call => name !== undefined && name in numbers[0xc000003e];

/** The call with a number. @returns undefined for the 32-bit interfaces and other calls */
export const callOf = (architecture: number, number: number): Call | undefined => {
  const name = byNumber.get(architecture)?.get(number);
  return isCall(name) ? name : undefined;
};
