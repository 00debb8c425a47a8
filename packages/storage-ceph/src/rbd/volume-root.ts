import type { Volume } from '@lxd-ts/driver-kit';

/**
 * The mode of the top directory of a volume's file system. That of an image is the one of the instances cloned from it, so that
 * they need not be mounted to change it.
 */
export const rootMode = (type: Volume['type']): number => (type === 'custom' ? 0o711 : 0o100);
