import { ApiError, chooseStreamImage, downloadStreamFile, type Part, type StreamImage } from '@lxd-ts/client';

/** The files of an image on a simple streams server, by alias or fingerprint. */
export const streamParts = (
  base: string,
  images: readonly StreamImage[],
  name: string,
  vm: boolean,
): { parts: AsyncIterable<Part>; length: number } => {
  const image = chooseStreamImage(images, name, vm ? 'virtual-machine' : 'container');
  if (image === undefined) throw new ApiError('Image not found', 404);
  async function* parts(): AsyncGenerator<Part> {
    for (const [index, file] of (image?.files ?? []).entries()) {
      yield {
        name: index === 0 ? 'metadata' : 'rootfs',
        filename: file.path.split('/').pop() ?? '',
        body: downloadStreamFile(base, file),
      };
    }
  }
  return { parts: parts(), length: image.size };
};
