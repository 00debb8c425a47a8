import { asc, type Database, eq, insertRow, schema, type Transaction } from '@lxd-ts/database';
import { conflict } from '@lxd-ts/driver-kit';
import { projectId } from '../projects/store.ts';

const { certificates, certificatesProjects, projects } = schema;

/** A certificate that is trusted. */
export interface Certificate {
  readonly id: number;
  /** SHA-256 of the DER form, in hex. */
  readonly fingerprint: string;
  readonly type: 'client' | 'server' | 'metrics';
  readonly name: string;
  /** PEM. */
  readonly certificate: string;
  readonly restricted: boolean;
  /** The projects a restricted certificate opens. */
  readonly projects: readonly string[];
}

export type NewCertificate = Omit<Certificate, 'id'>;

export interface CertificateStore {
  list(): Promise<readonly Certificate[]>;
  /** @throws LxdError conflict when it is trusted already */
  insert(certificate: NewCertificate): Promise<void>;
  update(id: number, certificate: NewCertificate): Promise<void>;
  delete(id: number): Promise<void>;
}

const writeProjects = async (tx: Transaction, certificateId: number, names: readonly string[]): Promise<void> => {
  await tx.delete(certificatesProjects).where(eq(certificatesProjects.certificateId, certificateId));
  for (const name of new Set(names))
    await tx.insert(certificatesProjects).values({ certificateId, projectId: await projectId(tx, name) });
};

export const createCertificateStore = (database: Database): CertificateStore => {
  const list = (): Promise<readonly Certificate[]> =>
    database.read(async (tx) => {
      const rows = await tx.select().from(certificates).orderBy(asc(certificates.id));
      const links = await tx
        .select({ certificateId: certificatesProjects.certificateId, name: projects.name })
        .from(certificatesProjects)
        .innerJoin(projects, eq(projects.id, certificatesProjects.projectId))
        .orderBy(asc(projects.name));
      const projectsOf = Map.groupBy(links, (link) => link.certificateId);
      return rows.map((row) => ({ ...row, projects: (projectsOf.get(row.id) ?? []).map((link) => link.name) }));
    });

  return {
    list,

    insert: ({ projects: names, ...row }) =>
      database.transaction(async (tx) => {
        const [taken] = await tx
          .select({ id: certificates.id })
          .from(certificates)
          .where(eq(certificates.fingerprint, row.fingerprint));
        if (taken) throw conflict('Certificate already in trust store');
        await writeProjects(tx, await insertRow(tx, certificates, row), names);
      }),

    update: (id, { projects: names, fingerprint, type, name, certificate, restricted }) =>
      database.transaction(async (tx) => {
        await tx
          .update(certificates)
          .set({ fingerprint, type, name, certificate, restricted })
          .where(eq(certificates.id, id));
        await writeProjects(tx, id, names);
      }),

    delete: (id) =>
      database.transaction(async (tx) => {
        await tx.delete(certificates).where(eq(certificates.id, id));
      }),
  };
};
