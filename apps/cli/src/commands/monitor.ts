import { isatty } from 'node:tty';
import { type EventType, openEvents } from '@lxd-ts/client';
import { command } from '../command/command.ts';
import { UserError } from '../command/errors.ts';
import { bool, list, string } from '../command/flags.ts';
import { out } from '../output/streams.ts';
import { printYaml } from '../yaml/print.ts';
import type { Struct } from '../yaml/shape.ts';
import { levelOf, prettyLine } from './monitor-pretty.ts';

const eventShape: Struct = {
  fields: { location: 'string', metadata: 'any', project: 'string', timestamp: 'string', type: 'string' },
  omitEmpty: ['location', 'project'],
};

const isEventType = (name: string): name is EventType =>
  name === 'logging' || name === 'operation' || name === 'lifecycle';

export const monitor = command({
  use: '[<remote>:]',
  short: 'Monitor a local or remote LXD server',
  long: 'By default the monitor will listen to all message types.',
  examples: `lxc monitor --type=logging
    Only show log messages.

lxc monitor --pretty --type=logging --loglevel=info
    Show a pretty log of messages with info level or higher.

lxc monitor --type=lifecycle
    Only show lifecycle events.`,
  args: [0, 1],
  flags: {
    'all-projects': bool('Show events from all projects'),
    format: string('Format (json|pretty|yaml)', { short: 'f', default: 'yaml' }),
    loglevel: string('Minimum level for log messages (only available when using pretty format)'),
    pretty: bool('Pretty rendering (short for --format=pretty)'),
    type: list('Event type to listen for'),
  },
  run: async (cli, { args: [text = ''], flags }) => {
    const format = flags.pretty ? 'pretty' : flags.format;
    if (!['json', 'pretty', 'yaml'].includes(format)) throw new UserError(`Invalid format: ${format}`);
    if (flags.loglevel !== '' && format !== 'pretty') {
      throw new UserError('Log level filtering can only be used with pretty formatting');
    }
    if (flags.loglevel !== '' && levelOf(flags.loglevel) < 0)
      throw new UserError(`not a valid logrus Level: "${flags.loglevel}"`);
    const types = flags.type.flatMap((name) => name.split(','));
    const unknown = types.find((name) => !isEventType(name));
    if (unknown !== undefined)
      throw new UserError(`Unknown event type "${unknown}", use logging, operation or lifecycle`);
    const { client } = await cli.locate(text);
    const terminal = isatty(1);
    const stream = await openEvents(client, {
      ...(types.length === 0 ? {} : { types: types.filter(isEventType) }),
      allProjects: flags['all-projects'],
      onEvent: (event) => {
        if (format === 'json') out(`${JSON.stringify(event)}\n`);
        else if (format === 'yaml') out(`${printYaml(event, eventShape)}\n\n`);
        else {
          const shown = prettyLine(event, flags.loglevel, terminal);
          if (shown !== undefined) out(`${shown}\n`);
        }
      },
    });
    await stream.closed;
    throw new UserError('The server closed the event stream');
  },
});
