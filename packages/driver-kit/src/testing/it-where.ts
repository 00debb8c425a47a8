import { it } from 'vitest';

/** Declares a test where it applies: of what a driver does not promise there is nothing to test, and so nothing to skip. */
export const itWhere =
  (applies: boolean) =>
  (title: string, test: () => Promise<void>): void => {
    if (applies) it(title, test);
  };
