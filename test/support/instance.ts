/** What tests often ask of an instance. */
import type { Lxd } from './lxd.ts';
import { type Output, succeed } from './output.ts';
import { eventually } from './wait.ts';

/** Runs a command in an instance; its output also where it fails. */
export const tryInside = (lxd: Lxd, name: string, ...command: string[]): Promise<Output> =>
  lxd.lxc(['exec', name, '--', ...command]);

/** Runs a command in an instance that must succeed; its standard output. */
export const inside = async (lxd: Lxd, name: string, ...command: string[]): Promise<string> => {
  const { code, stdout, stderr } = await tryInside(lxd, name, ...command);
  if (code !== 0) throw new Error(`${command.join(' ')} in ${name} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
};

/** Runs `lxc` with words that must succeed; its standard output. */
export const lxc = async (lxd: Lxd, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await lxd.lxc(args);
  if (code !== 0) throw new Error(`lxc ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
};

/** The IPv4 address on eth0 of an instance, as soon as it has one. */
export const addressOf = async (lxd: Lxd, name: string): Promise<string> => {
  const line = await eventually(
    () => lxc(lxd, 'list', `^${name}$`, '--columns=4', '--format=csv'),
    (text) => /\(eth0\)/.test(text),
  );
  return line.match(/(\d+\.\d+\.\d+\.\d+) \(eth0\)/)?.[1] ?? '';
};

/** Runs a command in the LXD's own network and mount namespace. */
export const beside = (lxd: Lxd, ...command: string[]): Promise<string> => succeed(lxd.namespace.inside(command));
