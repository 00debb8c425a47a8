/** One directory tree over a channel by two rsyncs, the sender's as the client and the receiver's as the server (rsync(1)). */
import { dieWithUs } from '@lxd-ts/driver-kit';
import { type Argv, CommandError, spawnStream } from '@lxd-ts/host';
import { type Channel, receiveStream, sendStream } from './channel.ts';
import type { RsyncFeatures } from './messages.ts';

export interface TreeOptions {
  readonly features: RsyncFeatures;
  readonly signal: AbortSignal;
  /** `rsync.bwlimit` of the sender. Empty and `0`: no limit. */
  readonly bandwidthLimit?: string | undefined;
  /** Of the sender: files that vanish meanwhile are no error. */
  readonly allowInconsistent?: boolean;
  /** Told about bytes of file data and of what rsync says besides, as they pass. */
  readonly count?: (bytes: number) => void;
}

/** What both have to be told alike. */
const common = ({ xattrs, delete: remove, compress, exact }: RsyncFeatures): string[] => [
  '--numeric-ids',
  '--devices',
  '--partial',
  '--sparse',
  ...(xattrs ? ['--xattrs', '--filter=-x security.selinux'] : []),
  ...(exact ? ['--hard-links', '--acls'] : []),
  ...(remove ? ['--delete'] : []),
  ...(compress ? ['--compress', '--compress-level=2'] : []),
];

/** The descriptors that `remoteShell` passes on: rsync's own standard streams, which are the channel. */
const withDescriptors = 'exec 3<&0 4>&1 1>&2; exec rsync "$@"';
/**
 * What rsync takes for a way to run its other half elsewhere: it passes on what that half says, and ends with it, and what is said
 * to it. rsync waits for its end, and closes its own side after that.
 */
const remoteShell = 'sh -c "exec 5<&0 2>/dev/null; cat <&5 >&4 3<&- & exec cat <&3 4>&- 5<&-"';

const run = async (
  command: Argv,
  channel: Channel,
  { signal, count, allowInconsistent }: TreeOptions,
): Promise<void> => {
  const { stdin, stdout, done } = spawnStream([command], {
    stdin: 'pipe',
    stdout: 'pipe',
    signal,
    debianPackage: 'rsync',
  });
  if (!stdin || !stdout) throw new Error('rsync has no streams');
  const received = receiveStream(channel, stdin, count);
  // Looked at below; when rsync fails first, that is what went wrong.
  received.catch(() => undefined);
  try {
    await sendStream(stdout, channel, count);
    await done.catch((error: unknown) => {
      // 24: files vanished before they could be sent.
      if (!(allowInconsistent && error instanceof CommandError && error.exitCode === 24)) throw error;
    });
    await channel.end();
    await received;
  } finally {
    stdin.destroy();
    stdout.destroy();
    // Nothing writes any more when this returns.
    await done.catch(() => undefined);
  }
};

/** Sends what is in a directory. @throws CommandError when rsync fails; the signal's reason */
export const sendTree = (directory: string, channel: Channel, options: TreeOptions): Promise<void> => {
  const { bandwidthLimit } = options;
  const limit = bandwidthLimit && bandwidthLimit !== '0' ? [`--bwlimit=${bandwidthLimit}`] : [];
  const args = ['-a', ...common(options.features), ...limit, `--rsh=${remoteShell}`, `${directory}/`, 'localhost:/'];
  return run([...dieWithUs, 'sh', '-c', withDescriptors, 'rsync', ...args], channel, options);
};

/** Makes a directory what the sender's is. @throws CommandError when rsync fails; the signal's reason */
export const receiveTree = (directory: string, channel: Channel, options: TreeOptions): Promise<void> =>
  // The letters are those that a client of `-a` sends; LXD's are fixed to these, whatever the versions on either side.
  run(
    [...dieWithUs, 'rsync', '--server', '-vlogDtpre.iLsfx', ...common(options.features), '.', `${directory}/`],
    channel,
    options,
  );
