import { index, primaryKey, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core';
import { configTable, description, deviceTable, flag, id, owner } from './columns.ts';

/** Projects. `default` is always there. */
export const projects = sqliteTable('projects', {
  id: id(),
  name: text('name').notNull().unique(),
  description: description(),
});
export const projectsConfig = configTable('projects_config', 'project_id', () => projects.id);

/** Profiles: configuration and devices that instances share. */
export const profiles = sqliteTable(
  'profiles',
  {
    id: id(),
    projectId: owner('project_id', () => projects.id),
    name: text('name').notNull(),
    description: description(),
  },
  (table) => [unique('profiles_name').on(table.projectId, table.name)],
);
export const profilesConfig = configTable('profiles_config', 'profile_id', () => profiles.id);
export const profilesDevices = deviceTable('profiles_devices', 'profile_id', () => profiles.id);

/** Certificates that are trusted. */
export const certificates = sqliteTable('certificates', {
  id: id(),
  /** SHA-256 of the DER form, in lower-case hexadecimal digits. */
  fingerprint: text('fingerprint').notNull().unique(),
  type: text('type', { enum: ['client', 'server', 'metrics'] }).notNull(),
  name: text('name').notNull(),
  /** The certificate in PEM form. */
  certificate: text('certificate').notNull(),
  /** Whether it opens only the projects listed in `certificates_projects`. */
  restricted: flag('restricted').notNull().default(false),
});

/** The projects a restricted certificate opens. */
export const certificatesProjects = sqliteTable(
  'certificates_projects',
  {
    certificateId: owner('certificate_id', () => certificates.id),
    projectId: owner('project_id', () => projects.id),
  },
  (table) => [
    primaryKey({ columns: [table.certificateId, table.projectId] }),
    index('certificates_projects_project').on(table.projectId),
  ],
);
