import { badRequest, type Config } from '@lxd-ts/driver-kit';

/** Checks that `raw.lxc` consists of lines that liblxc can read. Its meaning is the user's affair. @throws LxdError bad-request */
export const validateRaw = (config: Config): void => {
  for (const line of (config['raw.lxc'] ?? '').split('\n')) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    if (!/^lxc\.[^\s=]+\s*=/.test(text)) {
      throw badRequest(`Invalid value for "raw.lxc": "${text}" is not of the form "lxc.key = value"`);
    }
  }
};
