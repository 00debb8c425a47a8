import type { Instance } from '@lxd-ts/api';
import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool } from '../../command/flags.ts';
import { operate } from '../common/operate.ts';
import { imageSource } from '../image/source.ts';
import { changeState } from './action.ts';

export const rebuild = command({
  use: '[<remote>:]<image> [<remote>:]<instance>',
  short: 'Rebuild instances',
  long: `Wipe the instance root disk and re-initialize. The original image is used to re-initialize the instance if a different image or --empty is not specified.`,
  args: [1, 2],
  flags: {
    empty: bool('Rebuild as an empty instance'),
    force: bool('If an instance is running, stop it and then rebuild it', { short: 'f' }),
  },
  run: async (cli, { args, flags }) => {
    if (flags.empty && args.length > 1) throw new UserError('--empty cannot be combined with an image name');
    const text = args.at(-1) ?? '';
    const image = args.length > 1 ? args[0] : undefined;
    const { client, remote, name } = await cli.locate(text);
    const { value } = await client.get<Instance>(['instances', name]);
    const running = value.status_code !== 102;
    if (running && !flags.force)
      throw new UserError('The instance is currently running, stop it first or pass --force');

    const original = value.config['volatile.base_image'];
    let source: Record<string, unknown>;
    if (flags.empty) source = { type: 'none' };
    else if (image !== undefined) {
      const type = value.type === 'virtual-machine' ? 'virtual-machine' : 'container';
      source = (await imageSource(cli, image, { remote, client, type })).source;
    } else if (original) source = { type: 'image', fingerprint: original };
    else throw new UserError('The instance was not made from an image, name one or pass --empty');

    if (running)
      await operate(cli, client, 'PUT', ['instances', name, 'state'], { action: 'stop', timeout: -1, force: true });
    await operate(
      cli,
      client,
      'POST',
      ['instances', name, 'rebuild'],
      { source },
      { label: 'Rebuilding instance: %s' },
    );
    if (running) {
      const start = { action: 'start', timeout: 0, force: false, stateful: false, stateless: true } as const;
      await changeState(cli, text, start);
    }
  },
});
