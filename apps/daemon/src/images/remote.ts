import type { Config, InstanceType } from '@lxd-ts/driver-kit';
import type { ReceivedFiles } from './files.ts';

/** An image on another server, as a request names it (spec 04.33). */
export interface RemoteSource {
  readonly server: string;
  readonly protocol: 'lxd' | 'simplestreams';
  /** PEM; empty when a public authority vouches for the server. */
  readonly certificate: string;
  /** Either this or the fingerprint is set. */
  readonly alias: string;
  readonly fingerprint: string;
  /** A one-time key for a private image; may be empty. */
  readonly secret: string;
  /** The project it is in on the other server; may be empty. */
  readonly project: string;
  /** Empty: whichever there is. */
  readonly type: InstanceType | '';
}

/** How a download is watched and stopped. */
export interface Download {
  readonly signal?: AbortSignal | undefined;
  /** Called with what is being fetched and how far it is. */
  readonly progress?: ((stage: 'metadata' | 'rootfs', bytes: number, total: number | undefined) => void) | undefined;
}

/** An image found on another server. */
export interface RemoteImage {
  readonly fingerprint: string;
  readonly type: InstanceType;
  readonly properties: Config;
  readonly expiresAt: Date | undefined;
  readonly aliases: readonly { name: string; description: string }[];
  /** Fetches its files. @throws LxdError bad-request when they are not what the server announced */
  readonly download: (directory: string, download: Download) => Promise<ReceivedFiles>;
}

/** Finds an image on another server. @throws LxdError not-found, bad-request */
export type FindRemoteImage = (source: RemoteSource, signal?: AbortSignal) => Promise<RemoteImage>;
