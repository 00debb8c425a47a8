import { randomBytes } from 'node:crypto';
import { imageUrl } from '@lxd-ts/api';
import type { Metadata, Operation } from '../operations/operation.ts';
import type { Operations } from '../operations/registry.ts';

/** One-time keys for images, each held by a token operation (spec 04.118, 04.91). */
export interface ImageSecrets {
  /** Makes a key. `metadata` is kept with it for whoever brings it. */
  create(project: string, fingerprint: string, metadata?: Metadata): Operation;
  /** The operation of a key that fits the image; undefined when there is none. */
  find(project: string, fingerprint: string, secret: string): Operation | undefined;
}

export const createImageSecrets = (operations: Operations): ImageSecrets => ({
  create: (project, fingerprint, metadata) =>
    operations.create({
      class: 'token',
      description: 'Image download token',
      project,
      resources: { images: [imageUrl(fingerprint, { project })] },
      metadata: { ...metadata, secret: randomBytes(32).toString('hex') },
    }),

  find: (project, fingerprint, secret) => {
    if (secret === '') return undefined;
    const url = imageUrl(fingerprint, { project });
    return operations
      .list(project)
      .find(
        ({ spec, isFinal }) =>
          spec.class === 'token' &&
          !isFinal &&
          spec.resources?.['images']?.includes(url) &&
          spec.metadata?.['secret'] === secret,
      );
  },
});
