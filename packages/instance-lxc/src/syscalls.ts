/** System calls that neither Node nor @lxd-ts/host has. */
import { errnoError } from '@lxd-ts/host';
import koffi from 'koffi';

const libc = koffi.load(null);

/** Binds a function of libc that returns -1 and sets errno on failure. */
const bind = <A extends unknown[]>(prototype: string) => {
  const native = libc.func(prototype);
  const name = /(\w+)\(/.exec(prototype)?.[1] ?? prototype;
  return (...args: A): number => {
    const result: number = native(...args);
    if (result === -1) throw errnoError(koffi.errno(), name);
    return result;
  };
};

/** mknod(2): path, mode with the type's bits, device number. */
export const mknod = bind<[path: string, mode: number, device: number]>(
  'int mknod(const char *path, unsigned int mode, unsigned long device)',
);
