import type { ImageExportPost } from '@lxd-ts/api';
import { badRequest, messageOf } from '@lxd-ts/driver-kit';
import { z } from 'zod';
import { exportOf } from './export.ts';
import { imageServer } from './remote-lxd.ts';
import type { ImageService } from './service.ts';
import type { Image } from './store.ts';

const started = z.object({ id: z.string(), metadata: z.record(z.string(), z.unknown()).nullish() });
const ended = z.object({ status_code: z.number(), err: z.string() });

/** Pushes an image to another server, which has made a one-time key for it (spec 04.91, 04.119). */
export const pushImage = async (images: ImageService, image: Image, request: ImageExportPost): Promise<void> => {
  const client = imageServer({ server: request.target, certificate: request.certificate, project: request.project });
  try {
    const { headers, open } = await exportOf(image.fingerprint, await images.files(image));
    const profiles = request.profiles.length > 0 ? request.profiles : image.profiles;
    const body = open();
    const envelope = await client.query('POST', client.path(['images']), body, {
      headers: {
        'content-type': String(headers['Content-Type']),
        'x-lxd-fingerprint': image.fingerprint,
        'x-lxd-secret': request.secret,
        'x-lxd-filename': image.filename,
        'x-lxd-public': String(image.public),
        'x-lxd-properties': new URLSearchParams(image.properties).toString(),
        'x-lxd-profiles': new URLSearchParams(profiles.map((name): [string, string] => ['profile', name])).toString(),
      },
    });
    body.destroy();
    if (envelope.type !== 'async') return;
    const operation = started.parse(envelope.metadata);
    const secret = operation.metadata?.['secret'];
    const query = typeof secret === 'string' ? { secret } : {};
    const { value } = await client.get<unknown>(['operations', operation.id, 'wait'], query);
    const result = ended.parse(value);
    if (result.status_code !== 200) throw badRequest(result.err);
  } catch (error) {
    throw badRequest(`Failed pushing the image to ${request.target}: ${messageOf(error)}`, { cause: error });
  } finally {
    client.close();
  }
};
