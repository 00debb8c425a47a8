import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { UserError } from '../../command/errors.ts';
import { err } from '../../output/streams.ts';
import { printYaml } from '../../yaml/print.ts';
import type { Shape } from '../../yaml/shape.ts';
import { isInteractive, readLine, readStdin } from './input.ts';

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The user's editor with its arguments: `EDITOR`, else `VISUAL`, else the first usual one there is (spec 09 §10). */
const editorCommand = (): string[] => {
  const chosen = process.env.EDITOR || process.env.VISUAL;
  if (chosen) return chosen.trim().split(/\s+/);
  const directories = (process.env.PATH ?? '').split(delimiter);
  for (const name of ['editor', 'vi', 'emacs', 'nano']) {
    if (directories.some((directory) => isExecutable(join(directory, name)))) return [name];
  }
  throw new UserError('No text editor found, please set the EDITOR environment variable');
};

/** Opens the user's editor on a text and gives what was saved. */
export const editText = (text: string): string => {
  const [program = '', ...args] = editorCommand();
  const directory = mkdtempSync(join(tmpdir(), 'lxd_editor_'));
  const path = join(directory, 'edit.yaml');
  try {
    writeFileSync(path, text, { mode: 0o600 });
    const { status, signal, error } = spawnSync(program, [...args, path], { stdio: 'inherit' });
    if (error) throw new UserError(`The editor "${program}" cannot be started: ${error.message}`);
    if (status !== 0) throw new UserError(signal ? `signal: ${signal}` : `exit status ${status}`);
    return readFileSync(path, 'utf8');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

/** How one kind of object is edited as YAML. */
export interface Editing {
  /** Comment lines above the text, each beginning with `###`. */
  template: string;
  /** What is printed. */
  shape: Shape;
  /** What of it is read back and sent. */
  putShape: Shape;
  read(): Promise<{ value: unknown; etag: string }>;
  /** Applies what was read back; an error at a terminal opens the editor again. */
  write(value: unknown, etag: string): Promise<void>;
}

/** Edits an object as YAML: from the standard input if that is piped in, else in the user's editor until it is accepted. */
export const editYaml = async (editing: Editing): Promise<void> => {
  const { readYaml } = await import('../../yaml/read.ts');
  if (!isInteractive()) {
    await editing.write((await readYaml(readStdin(), editing.putShape)) ?? {}, '');
    return;
  }
  const { value, etag } = await editing.read();
  let text = editText(`${editing.template}\n\n${printYaml(value, editing.shape)}`);
  for (;;) {
    try {
      await editing.write((await readYaml(text, editing.putShape)) ?? {}, etag);
      return;
    } catch (error) {
      err(`Config parsing error: ${error instanceof Error ? error.message : error}\n`);
      err('Press enter to open the editor again or ctrl+c to abort change\n');
      readLine();
      text = editText(text);
    }
  }
};
