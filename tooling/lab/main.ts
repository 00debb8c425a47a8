/** `pnpm lab`: a throw-away Debian VM with the kernel parts that most hosts lack; see docs/lab.md. */
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureImage } from './build.ts';
import { asShellText, defaultMemory, defaultProcessors, runInLab } from './run.ts';

const help = `Usage:
  pnpm lab run [options] -- COMMAND     runs a command in a fresh VM, passes back its exit code (125: the VM died)
  pnpm lab shell [options]              a shell in a fresh VM
  pnpm lab build                        builds the image where it is not there yet; the others do so too

Options:
  --cpus=N       processors (${defaultProcessors})
  --memory=MIB   memory (${defaultMemory})
  --timeout=S    kills the VM after this many seconds
  --online       lets the VM reach the world outside
  --live         lets the VM see files that change on the host meanwhile (a shell always does); reading is slower
  --append=WORD  one more word for the kernel's command line; may be repeated

The VM starts from a clean disk each time. It sees this repository at the same path, and what it writes there stays.
Several may run at once. Details: docs/lab.md`;

const repository = dirname(dirname(import.meta.dirname));

const { values, positionals } = parseArgs({
  // pnpm hands on its own separator, too.
  args: process.argv.slice(2).filter((word, at) => !(word === '--' && at === 0)),
  allowPositionals: true,
  options: {
    cpus: { type: 'string' },
    memory: { type: 'string' },
    timeout: { type: 'string' },
    online: { type: 'boolean' },
    live: { type: 'boolean' },
    append: { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h' },
  },
});

const whole = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${name} takes a whole number above 0, not "${text}"`);
  return Number(text);
};

const start = async (words: readonly string[] | undefined): Promise<number> => {
  const processors = whole('cpus', values.cpus);
  const memory = whole('memory', values.memory);
  const seconds = whole('timeout', values.timeout);
  const here = process.env.INIT_CWD ?? process.cwd();
  return runInLab({
    repository,
    folder: `${here}/`.startsWith(`${repository}/`) ? here : repository,
    command: words && asShellText(words),
    ...(processors === undefined ? {} : { processors }),
    ...(memory === undefined ? {} : { memory }),
    ...(seconds === undefined ? {} : { signal: AbortSignal.timeout(seconds * 1000) }),
    online: values.online ?? false,
    live: values.live ?? words === undefined,
    append: values.append ?? [],
  });
};

const [task, ...words] = positionals;
try {
  if (values.help || task === undefined) console.log(help);
  else if (task === 'build' && words.length === 0) console.log((await ensureImage()).folder);
  else if (task === 'run' && words.length > 0) process.exitCode = await start(words);
  else if (task === 'shell' && words.length === 0) process.exitCode = await start(undefined);
  else throw new Error(`This is not how it is called.\n${help}`);
} catch (error) {
  console.error(`Error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
