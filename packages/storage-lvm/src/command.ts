/** The commands of lvm2, started so that they work with and without udev, and what they report. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { conflict, type LxdError } from '@lxd-ts/driver-kit';
import { type Argv, CommandError, isErrno, run } from '@lxd-ts/host';
import { z } from 'zod';

/** What makes commands do their work themselves rather than leave it to daemons that may not run, and tell times in seconds. */
const always = 'activation{monitoring=0} global{use_lvmpolld=0} report{time_format="%s"}';
const withoutUdev = 'activation{udev_sync=0 udev_rules=0}';

/**
 * Whether udevd listens. The socket of one that has gone stays, and LVM would wait for an answer without end.
 * It takes packets: a connection for streams is refused with EPROTOTYPE by one that lives, with ECONNREFUSED by a dead one's.
 */
const udevRuns = async (): Promise<boolean> => {
  const socket = connect('/run/udev/control');
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    return isErrno(error, 'EPROTOTYPE');
  } finally {
    socket.destroy();
  }
};

const told = (error: CommandError): string => error.stderr.replace(/\s+/g, ' ').trim() || error.message;

/** Failures that an operator can cause or meet, in words of their own. */
const explained = (error: unknown): unknown => {
  if (!(error instanceof CommandError)) return error;
  const text = told(error);
  const make = (sentence: string): LxdError => conflict(`${sentence} (${text})`, { cause: error });
  if (
    /insufficient free (space|extents)|not enough free|reached threshold|above threshold|Insufficient suitable/i.test(
      text,
    )
  ) {
    return make('No space left in the volume group');
  }
  if (/already exists in filesystem/.test(text)) return make('A file in /dev has the name of the volume group');
  if (/ in use|is used by another|filesystem in use|Device or resource busy/i.test(text)) {
    return make('A logical volume is in use');
  }
  return error;
};

/**
 * Runs one command of lvm2.
 *
 * @throws LxdError conflict when there is no space or something is in use; CommandError otherwise
 */
export const lvm = async (
  [program, ...args]: Argv,
  options: { readonly signal?: AbortSignal } = {},
): Promise<string> => {
  const udev = await udevRuns();
  const config = udev ? always : `${always} ${withoutUdev}`;
  try {
    const { stdout } = await run([program, '--config', config, ...args], {
      debianPackage: 'lvm2',
      env: { LVM_SUPPRESS_FD_WARNINGS: '1', ...(udev ? {} : { DM_DISABLE_UDEV: '1' }) },
      ...options,
    });
    return stdout;
  } catch (error) {
    throw explained(error);
  }
};

/** Whether a command failed because what it was to work on is not there. */
export const isMissing = (error: unknown): boolean =>
  error instanceof CommandError && /Failed to find logical volume|not found/.test(error.stderr);

const report = z.object({ report: z.array(z.record(z.string(), z.array(z.record(z.string(), z.string())))) });

/**
 * Asks `lvs`, `vgs` or `pvs`.
 *
 * @param row - fields of lvmreport(7), each a text; sizes come in bytes
 */
export const ask = async <S extends z.ZodRawShape>(
  program: 'lvs' | 'vgs' | 'pvs',
  row: z.ZodObject<S>,
  ...args: readonly string[]
): Promise<z.output<z.ZodObject<S>>[]> => {
  const fields = Object.keys(row.shape).join();
  const format = ['--reportformat', 'json', '--units', 'b', '--nosuffix', '--options', fields];
  const answer = report.parse(JSON.parse(await lvm([program, ...format, ...args])));
  return answer.report.flatMap((one) => Object.values(one).flat()).map((one) => row.parse(one));
};
