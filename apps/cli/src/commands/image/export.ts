import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { exportImage, listStreamImages, type Part } from '@lxd-ts/client';
import type { Cli } from '../../cli.ts';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool } from '../../command/flags.ts';
import { progressLine } from '../../output/progress.ts';
import { out } from '../../output/streams.ts';
import { saveTo } from '../common/raw.ts';
import { readImage } from './source.ts';
import { streamParts } from './stream-files.ts';

/** Everything of a file name after its first dot that is not part of a hash. */
const extension = (name: string): string => {
  const [, ending = ''] = /^[^.]*(\..*)?$/.exec(name) ?? [];
  return ending;
};

/** What a part is called: by the server's name in a directory, by the given name and the ending otherwise. */
const fileName = (target: string, part: Part, index: number): string => {
  if (existsSync(target) && statSync(target).isDirectory()) return join(target, basename(part.filename));
  return index === 0 ? `${target}${extension(part.filename)}` : `${target}.root${extension(part.filename)}`;
};

const partsOf = async (
  cli: Cli,
  text: string,
  vm: boolean,
): Promise<{ parts: AsyncIterable<Part>; length: number }> => {
  const { remote, name } = cli.resource(text);
  const configured = cli.config.remotes.get(remote);
  if (configured?.protocol === 'simplestreams') {
    return streamParts(configured.addr, await listStreamImages(configured.addr), name, vm);
  }
  const client = await cli.server(remote);
  const { value } = await readImage(client, name, vm ? 'virtual-machine' : '');
  return exportImage(client, value.fingerprint);
};

export const imageExport = command({
  use: '[<remote>:]<image> [<target>]',
  short: 'Export and download images',
  long: 'The output target is optional and defaults to the working directory.',
  args: [1, 2],
  flags: { vm: bool('Query virtual machine images') },
  run: async (cli, { args: [text = '', target = '.'], flags }) => {
    if (target.endsWith('/') && !existsSync(target)) throw new UserError(`open ${target}: no such directory`);
    const { parts, length } = await partsOf(cli, text, flags.vm);
    const progress = progressLine(cli.global.quiet, 'Exporting the image: %s');
    let index = 0;
    for await (const part of parts) {
      await saveTo(Readable.from(part.body), fileName(target, part, index), progress, length);
      index++;
    }
    if (!cli.global.quiet) out('Image exported successfully!\n');
  },
});
