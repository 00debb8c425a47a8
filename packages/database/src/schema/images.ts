import { index, integer, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core';
import { nodes } from './cluster.ts';
import { configTable, date, description, flag, id, owner, reference, state } from './columns.ts';
import { profiles, projects } from './projects.ts';

/** Images, one row for each project that has it: the file on disk is named by the fingerprint and shared. */
export const images = sqliteTable(
  'images',
  {
    id: id(),
    projectId: reference('project_id', () => projects.id).notNull(),
    /** SHA-256 of the image file (of metadata and root file system together when split), in hexadecimal digits. */
    fingerprint: text('fingerprint').notNull(),
    filename: text('filename').notNull(),
    /** Bytes. */
    size: integer('size').notNull(),
    /** Anyone may download it. */
    public: flag('public').notNull().default(false),
    autoUpdate: flag('auto_update').notNull().default(false),
    /** Fetched only because an instance was made from it; removed when unused for long. */
    cached: flag('cached').notNull().default(false),
    type: text('type', { enum: ['container', 'virtual-machine'] }).notNull(),
    architecture: text('architecture').notNull(),
    /** When the image was made; null: its metadata does not say. */
    creationDate: date('creation_date'),
    /** Null: it is kept. */
    expiryDate: date('expiry_date'),
    uploadDate: date('upload_date').notNull(),
    /** Null: never used. */
    lastUseDate: date('last_use_date'),
    state: state(),
  },
  (table) => [
    unique('images_fingerprint').on(table.projectId, table.fingerprint),
    index('images_by_fingerprint').on(table.fingerprint),
  ],
);

/** Free key/value pairs that describe an image (`os`, `release`, …). */
export const imagesProperties = configTable('images_properties', 'image_id', () => images.id);

/** Where a copied image came from, to look for a newer one. */
export const imagesSource = sqliteTable('images_source', {
  imageId: integer('image_id')
    .primaryKey()
    .references(() => images.id, { onDelete: 'cascade' }),
  server: text('server').notNull(),
  protocol: text('protocol', { enum: ['lxd', 'simplestreams', 'direct'] }).notNull(),
  /** The server's certificate in PEM form; empty when a public authority vouches for it. */
  certificate: text('certificate').notNull().default(''),
  alias: text('alias').notNull(),
});

/** Names for images. */
export const imagesAliases = sqliteTable(
  'images_aliases',
  {
    id: id(),
    projectId: reference('project_id', () => projects.id).notNull(),
    name: text('name').notNull(),
    imageId: owner('image_id', () => images.id),
    description: description(),
  },
  (table) => [
    unique('images_aliases_name').on(table.projectId, table.name),
    index('images_aliases_image').on(table.imageId),
  ],
);

/** The profiles an instance gets when it is made from an image and names none; in order, from 0. */
export const imagesProfiles = sqliteTable(
  'images_profiles',
  {
    imageId: owner('image_id', () => images.id),
    profileId: owner('profile_id', () => profiles.id),
    applyOrder: integer('apply_order').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.imageId, table.profileId] }),
    index('images_profiles_profile').on(table.profileId),
  ],
);

/** Which members hold an image's file. */
export const imagesNodes = sqliteTable(
  'images_nodes',
  {
    imageId: owner('image_id', () => images.id),
    nodeId: owner('node_id', () => nodes.id),
  },
  (table) => [primaryKey({ columns: [table.imageId, table.nodeId] }), index('images_nodes_node').on(table.nodeId)],
);
