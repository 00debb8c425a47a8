import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Certificate, CertificateStore } from './store.ts';

const derive = promisify<string, Buffer, number, Buffer>(scrypt);

/** A password as it is stored: salt and derived key, in hex. */
export const hashPassword = async (password: string): Promise<string> => {
  const salt = randomBytes(32);
  return Buffer.concat([salt, await derive(password, salt, 64)]).toString('hex');
};

/** Whether `password` is the one that was hashed. */
export const checkPassword = async (password: string, stored: string): Promise<boolean> => {
  const bytes = Buffer.from(stored, 'hex');
  const key = await derive(password, bytes.subarray(0, 32), 64);
  return timingSafeEqual(key, bytes.subarray(32));
};

/** Who is trusted, in memory: every request asks. */
export interface Trust {
  /** The trusted certificate with that fingerprint. */
  find(fingerprint: string): Certificate | undefined;
  /** Reads the certificates again, after a change. */
  reload(): Promise<void>;
}

export const loadTrust = async (store: CertificateStore): Promise<Trust> => {
  const read = async (): Promise<Map<string, Certificate>> =>
    new Map((await store.list()).map((one) => [one.fingerprint, one]));
  let known = await read();
  return {
    find: (fingerprint) => known.get(fingerprint),
    async reload() {
      known = await read();
    },
  };
};
