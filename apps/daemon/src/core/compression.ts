import { badRequest } from '@lxd-ts/driver-kit';
import { findProgram } from '@lxd-ts/host';

/** Compressors whose options are known. */
const compressors: ReadonlySet<string> = new Set('bzip2 gzip lz4 lzma pbzip2 pigz pixz pzstd xz zstd'.split(' '));
/** Options that say how hard to try and with how many threads; none that names a file. */
const compressorOption = /^-(?:\d{1,2}|T\d{1,3}|e|-fast|-best|-ultra|-long|-extreme|-rsyncable)$/;

/**
 * Checks a compressor: any program of this host that `-c` makes write to standard output (spec 05.239, 10 BKP-04). What else it is told is
 * restricted, since `-c` makes a shell of it run what follows.
 *
 * @throws LxdError bad-request
 */
export const checkCompression = async (algorithm: string): Promise<void> => {
  const [name = '', ...options] = algorithm.trim().split(/\s+/);
  if (name === 'none' && options.length === 0) return;
  const refuse = (why: string): never => {
    throw badRequest(`Invalid compression algorithm "${algorithm}"${why}`);
  };
  if (!/^[a-z0-9][a-z0-9_+-]*$/i.test(name)) refuse('');
  if (options.length > 0 && !compressors.has(name)) refuse(`: "${name}" takes no options here`);
  const wrong = options.find((option) => !compressorOption.test(option));
  if (wrong !== undefined) refuse(`: option "${wrong}" is not allowed`);
  if (!(await findProgram(name))) refuse('');
};

/** What images are compressed with: words of `images.compression_algorithm`. */
export const imageCompressions = ['bzip2', 'gzip', 'lzma', 'xz', 'zstd', 'pigz', 'squashfs', 'none'] as const;

/** Whether images can be compressed so: one of the words, with options of the program if wanted: `gzip`, `xz -9`, `none`. */
export const isImageCompression = (algorithm: string): boolean => {
  const [name = '', ...options] = algorithm.trim().split(/\s+/);
  const known = imageCompressions.find((one) => one === name);
  if (known === 'squashfs' || known === 'none') return options.length === 0;
  return known !== undefined && options.every((option) => compressorOption.test(option));
};
