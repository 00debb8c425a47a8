import { command } from '../../command/command.ts';
import { UserError } from '../../command/errors.ts';
import { bool, list, string } from '../../command/flags.ts';
import { out } from '../../output/streams.ts';
import { operate } from '../common/operate.ts';
import { transferMode } from '../instance/copy.ts';
import { requireFree } from './aliases.ts';
import { findImage, isImageServer } from './remote.ts';
import { readImage } from './source.ts';
import { copyImage } from './transfer.ts';

export const imageCopy = command({
  use: '[<remote>:]<image> <remote>:',
  short: 'Copy images between servers',
  long: `The auto-update flag instructs the server to keep this image up to date.
It requires the source to be an alias and for it to be public.`,
  args: [2, 2],
  flags: {
    alias: list('New aliases to add to the image'),
    'auto-update': bool('Keep the image up to date after initial copy'),
    'copy-aliases': bool('Copy aliases from source'),
    mode: string('Transfer mode. One of pull (default), push or relay', { default: 'pull' }),
    profile: list('Profile to apply to the new image', { short: 'p' }),
    public: bool('Make image public'),
    'target-project': string('Copy to a project different from the source'),
    vm: bool('Copy virtual machine images'),
  },
  run: async (cli, { args: [from = '', to = ''], flags }) => {
    const source = cli.resource(from);
    const destination = cli.resource(to);
    if (destination.name !== '') throw new UserError("Can't provide a name for the target image");
    const sameProject = flags['target-project'] === '';
    if (source.remote === destination.remote && sameProject) {
      throw new UserError('The source and target servers must be different');
    }
    const server = await cli.server(destination.remote);
    const client = sameProject ? server : server.inProject(flags['target-project']);
    await requireFree(client, flags.alias);

    const image = await findImage(cli, from, flags.vm);
    const copied = flags['copy-aliases'] ? image.aliases : [];
    const aliases = [...copied, ...flags.alias.map((name) => ({ name, description: '' }))];
    const wishes = {
      public: flags.public,
      autoUpdate: flags['auto-update'],
      aliases,
      profiles: flags.profile.length > 0 ? flags.profile : undefined,
    };
    if (isImageServer(cli, source.remote)) {
      const found = {
        type: 'image',
        mode: 'pull',
        protocol: 'simplestreams',
        server: cli.config.remotes.get(source.remote)?.addr,
        ...(image.aliases.some(({ name }) => name === source.name)
          ? { alias: source.name }
          : { fingerprint: image.fingerprint }),
        image_type: image.type,
      };
      const { autoUpdate, ...rest } = wishes;
      const body = { ...rest, auto_update: autoUpdate, source: found };
      await operate(cli, client, 'POST', ['images'], body, { label: 'Copying the image: %s' });
    } else {
      const origin = await cli.server(source.remote);
      const { value } = await readImage(origin, source.name, flags.vm ? 'virtual-machine' : '');
      await copyImage(
        cli,
        {
          client: origin,
          fingerprint: value.fingerprint,
          mode: transferMode(flags.mode),
          alias: value.aliases.some(({ name }) => name === source.name) ? source.name : undefined,
        },
        { client, ...wishes },
      );
    }
    if (!cli.global.quiet) out('Image copied successfully!\n');
  },
});
