import { spawnSync } from 'node:child_process';

/** The size of the terminal at the standard output; 80 by 24 if there is none. */
export const terminalSize = (): { width: number; height: number } => ({
  width: process.stdout.columns ?? 80,
  height: process.stdout.rows ?? 24,
});

/** Takes every key press as it is, Ctrl+C included, and shows all output unchanged. Returns what puts the terminal back. */
export const rawTerminal = (): (() => void) => {
  process.stdin.setRawMode(true);
  // Node's raw mode still turns each line feed into two characters, which garbles programs that draw. Should stty be
  // missing, that is how it stays. setRawMode(false) restores this too.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  return () => process.stdin.setRawMode(false);
};

/** Calls back whenever the window changes its size. Returns what ends that. */
export const onResize = (resized: (width: number, height: number) => void): (() => void) => {
  const listener = (): void => {
    const { width, height } = terminalSize();
    resized(width, height);
  };
  process.stdout.on('resize', listener);
  return () => process.stdout.off('resize', listener);
};
