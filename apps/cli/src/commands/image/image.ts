import { entry, group } from '../../command/command.ts';

export const image = group(
  {
    short: 'Manage images',
    long: `In LXD instances are created from images. Those images were themselves
either generated from an existing instance or downloaded from an image
server.

When using remote images, LXD will automatically cache images for you
and remove them upon expiration.

The image unique identifier is the hash (sha-256) of its representation
as a compressed tarball (or for split images, the concatenation of the
metadata and rootfs tarballs).

Images can be referenced by their full hash, shortest unique partial
hash or alias name (if one is set).`,
  },
  [
    entry('alias', [], () => import('./alias.ts').then((m) => m.alias)),
    entry('copy', ['cp'], () => import('./copy.ts').then((m) => m.imageCopy)),
    entry('delete', ['rm'], () => import('./manage.ts').then((m) => m.imageDelete)),
    entry('edit', [], () => import('./info.ts').then((m) => m.imageEdit)),
    entry('export', [], () => import('./export.ts').then((m) => m.imageExport)),
    entry('get-property', [], () => import('./info.ts').then((m) => m.imageGetProperty)),
    entry('import', [], () => import('./import.ts').then((m) => m.imageImport)),
    entry('info', [], () => import('./info.ts').then((m) => m.imageInfo)),
    entry('list', ['ls'], () => import('./list.ts').then((m) => m.imageList)),
    entry('refresh', [], () => import('./manage.ts').then((m) => m.imageRefresh)),
    entry('set-property', [], () => import('./info.ts').then((m) => m.imageSetProperty)),
    entry('show', [], () => import('./info.ts').then((m) => m.imageShow)),
    entry('unset-property', [], () => import('./info.ts').then((m) => m.imageUnsetProperty)),
  ],
);
