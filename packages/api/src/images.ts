import * as z from 'zod';
import { choice, flag, integer, nullable, omittable, struct, text, textMap, texts, time } from './schema.ts';

export const imageAlias = struct({ name: text, description: text });
export type ImageAlias = z.infer<typeof imageAlias>;

/** Where an image came from and is refreshed from. */
export const imageSource = struct({ alias: text, certificate: text, protocol: text, server: text, image_type: text });
export type ImageSource = z.infer<typeof imageSource>;

export const imagePut = struct({
  auto_update: flag,
  properties: textMap,
  public: flag,
  expires_at: time,
  /** `null` when absent: those there are stay. */
  profiles: nullable(texts),
});
export type ImagePut = z.infer<typeof imagePut>;

export const image = struct({
  ...imagePut.shape,
  profiles: texts,
  aliases: z.array(imageAlias),
  architecture: text,
  cached: flag,
  filename: text,
  fingerprint: text,
  size: integer,
  update_source: omittable(imageSource),
  type: text,
  created_at: time,
  last_used_at: time,
  uploaded_at: time,
});
export type Image = z.infer<typeof image>;

/** What a new image is made from: an image on another server, an instance or snapshot, or a URL. */
export const imagesPostSource = struct({
  alias: text,
  certificate: text,
  protocol: text,
  server: text,
  image_type: text,
  mode: text,
  type: choice('', 'image', 'instance', 'container', 'virtual-machine', 'snapshot', 'url'),
  url: text,
  name: text,
  fingerprint: text,
  secret: text,
  project: text,
});
export type ImagesPostSource = z.infer<typeof imagesPostSource>;

/**
 * JSON body of `POST /1.0/images` (spec 09 EP-06); an upload has none. Absent `profiles` are `null`, which asks for the
 * default profile, `[]` for none; absent `properties` are `null`, which leaves those of the metadata.
 */
export const imagesPost = struct({
  ...imagePut.shape,
  profiles: nullable(texts),
  properties: nullable(textMap),
  filename: text,
  source: nullable(imagesPostSource),
  compression_algorithm: text,
  aliases: z.array(imageAlias),
});
export type ImagesPost = z.infer<typeof imagesPost>;

export const imageAliasesEntryPut = struct({ description: text, target: text });
export type ImageAliasesEntryPut = z.infer<typeof imageAliasesEntryPut>;

/** A rename. */
export const imageAliasesEntryPost = struct({ name: text });
export type ImageAliasesEntryPost = z.infer<typeof imageAliasesEntryPost>;

export const imageAliasesEntry = struct({ ...imageAliasesEntryPut.shape, name: text, type: text });
export type ImageAliasesEntry = z.infer<typeof imageAliasesEntry>;

export const imageAliasesPost = struct({ ...imageAliasesEntryPut.shape, name: text, type: text });
export type ImageAliasesPost = z.infer<typeof imageAliasesPost>;

/** Body of `POST /1.0/images/<fingerprint>/export`: push the image to another server. */
export const imageExportPost = struct({
  target: text,
  secret: text,
  certificate: text,
  aliases: z.array(imageAlias),
  project: text,
  profiles: texts,
});
export type ImageExportPost = z.infer<typeof imageExportPost>;

/** A template of an image, from `metadata.yaml`. */
export const imageMetadataTemplate = struct({ when: texts, create_only: flag, template: text, properties: textMap });
export type ImageMetadataTemplate = z.infer<typeof imageMetadataTemplate>;

/** The content of `metadata.yaml`; dates are seconds since the Unix epoch. */
export const imageMetadata = struct({
  architecture: text,
  creation_date: integer,
  expiry_date: integer,
  properties: nullable(textMap),
  templates: nullable(z.record(z.string(), imageMetadataTemplate)),
});
export type ImageMetadata = z.infer<typeof imageMetadata>;
