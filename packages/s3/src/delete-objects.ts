/** DeleteObjects: many keys in one request, each with a result of its own. */
import { z } from 'zod';
import { readText } from './body.ts';
import { S3Error, toS3Error } from './errors.ts';
import { type BucketCall, document, type Reply } from './operation.ts';
import { parseXml, type Xml } from './xml.ts';

const maxObjects = 1000;
const maxBytes = 2 * 1024 ** 2;

const object = z.object({ Key: z.string().min(1), VersionId: z.string().optional() });
const request = z.object({
  Delete: z.object({
    Object: z.union([z.array(object), object.transform((one) => [one])]),
    Quiet: z.string().optional(),
  }),
});

export const deleteObjects = async (call: BucketCall): Promise<Reply> => {
  const parsed = request.safeParse(parseXml(await readText(call.body(maxBytes))));
  if (!parsed.success || parsed.data.Delete.Object.length > maxObjects) {
    throw new S3Error('MalformedXML', undefined, { cause: parsed.error });
  }
  const { Object: objects, Quiet: quiet } = parsed.data.Delete;
  const deleted: Xml[] = [];
  const errors: Xml[] = [];
  for (const { Key, VersionId } of objects) {
    try {
      if (VersionId !== undefined && VersionId !== 'null' && VersionId !== '') {
        throw new S3Error('NotImplemented', 'Versions of objects are not implemented.');
      }
      await call.files.objects.delete(Key);
      deleted.push({ Key });
    } catch (error) {
      const { code, message } = toS3Error(error);
      errors.push({ Key, Code: code, Message: message });
    }
  }
  return document('DeleteResult', { Deleted: quiet?.trim() === 'true' ? [] : deleted, Error: errors });
};
