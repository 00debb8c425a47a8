import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/**
 * Looks for a program as the shell would, without starting anything.
 * @param path where to search, in the form of $PATH
 * @returns its full path, or undefined
 */
export async function findProgram(name: string, path = process.env.PATH ?? ''): Promise<string | undefined> {
  for (const directory of path.split(delimiter)) {
    const program = join(directory, name);
    const found = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return program;
  }
  return undefined;
}
