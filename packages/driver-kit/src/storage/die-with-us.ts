/**
 * Begins the argument vector of a program that is to end when this process does, even by `kill -9` (setpriv(1), prctl(2)
 * PR_SET_PDEATHSIG): a copy that goes on would write into what the next start clears away.
 */
export const dieWithUs = ['setpriv', '--pdeathsig', 'KILL'] as const;
