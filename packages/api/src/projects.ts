import * as z from 'zod';
import { integer, struct, text, textMap, texts } from './schema.ts';

export const projectPut = struct({ config: textMap, description: text });
export type ProjectPut = z.infer<typeof projectPut>;

export const projectsPost = struct({ ...projectPut.shape, name: text });
export type ProjectsPost = z.infer<typeof projectsPost>;

/** A rename, which is an operation. */
export const projectPost = struct({ name: text });
export type ProjectPost = z.infer<typeof projectPost>;

export const project = struct({ ...projectPut.shape, name: text, used_by: texts });
export type Project = z.infer<typeof project>;

/** A limit of a project and what is used of it; a limit of -1 stands for none. The capital letters are the wire's. */
export const projectStateResource = struct({ Limit: integer, Usage: integer });
export type ProjectStateResource = z.infer<typeof projectStateResource>;

/** `GET /1.0/projects/<name>/state`: by containers, cpu, disk, instances, memory, networks, processes, virtual-machines. */
export const projectState = struct({ resources: z.record(z.string(), projectStateResource) });
export type ProjectState = z.infer<typeof projectState>;
