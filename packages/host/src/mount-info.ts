import { readFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';

/** One line of /proc/<pid>/mountinfo (proc_pid_mountinfo(5)). */
export interface MountInfo {
  id: number;
  parentId: number;
  /** `major:minor` of the mounted file system. */
  device: string;
  /** The directory of the file system that is mounted, `/` unless it is a bind mount of a part. */
  root: string;
  target: string;
  /** Options of this mount (`rw`, `nosuid`, `idmapped`, …). */
  options: string[];
  /** Propagation: `shared:2`, `master:3`, `unbindable`; empty means private. */
  propagation: string[];
  type: string;
  source: string;
  /** Options of the file system, the same in all its mounts. */
  superOptions: string[];
}

function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function parseLine(line: string): MountInfo {
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [id = '', parentId = '', device = '', root = '', target = '', options = ''] = fields;
  const [type = '', source = '', superOptions = ''] = fields.slice(separator + 1);
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: unescapeOctal(root),
    target: unescapeOctal(target),
    options: options.split(','),
    propagation: fields.slice(6, separator),
    type,
    source: unescapeOctal(source),
    superOptions: superOptions.split(','),
  };
}

/** Parses the text of a mountinfo file. */
export function parseMountInfo(text: string): MountInfo[] {
  return text.split('\n').filter(Boolean).map(parseLine);
}

/** The mounts of this process, or of another; in the order in which they were made. */
export function mountInfo(pid: number | 'self' = 'self'): MountInfo[] {
  return parseMountInfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
}

/** The mount that is on top at exactly this directory or file, if any. The path's symlinks are resolved. */
export async function findMount(path: string): Promise<MountInfo | undefined> {
  // A path that cannot be resolved may still be a mount: one whose server is dead.
  const target = await realpath(path).catch(() => path);
  return mountInfo().findLast((mount) => mount.target === target);
}

/** Says whether something is mounted at exactly this path; false when the path does not exist. */
export async function isMountPoint(path: string): Promise<boolean> {
  return (await findMount(path)) !== undefined;
}

/** The mounts at or below a directory, those on top first: the order in which they can be unmounted. */
export function mountsBelow(directory: string): MountInfo[] {
  const prefix = directory.endsWith('/') ? directory : `${directory}/`;
  return mountInfo()
    .filter((mount) => mount.target === directory || mount.target.startsWith(prefix))
    .reverse();
}
