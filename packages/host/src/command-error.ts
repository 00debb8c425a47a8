interface Failure {
  argv: readonly string[];
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stdout?: string;
  stderr?: string;
  /** What failed, when that says more than the program's name. */
  title?: string;
  reason?: string;
  cause?: unknown;
}

const LAST_LINES = 3;

function lastLines(text: string): string {
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== '');
  return lines.slice(-LAST_LINES).join('; ').trim();
}

function sentence({ argv, title, exitCode, signal, stderr = '', stdout = '', reason }: Failure): string {
  const program = title ?? argv[0] ?? '';
  if (reason !== undefined) return `${program} could not be started: ${reason}`;
  const end = signal === null ? `failed with exit status ${exitCode}` : `was killed by ${signal}`;
  const said = lastLines(stderr) || lastLines(stdout);
  return said === '' ? `${program} ${end}` : `${program} ${end}: ${said}`;
}

/** A program that could not be started, failed, or was killed. The message is one sentence with its last words. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly argv: readonly string[];
  /** The exit status; null when killed by a signal or never started. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;

  constructor(failure: Failure) {
    super(sentence(failure), failure.cause === undefined ? undefined : { cause: failure.cause });
    this.argv = failure.argv;
    this.exitCode = failure.exitCode;
    this.signal = failure.signal;
    this.stdout = failure.stdout ?? '';
    this.stderr = failure.stderr ?? '';
  }
}
