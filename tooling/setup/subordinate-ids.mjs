import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { say } from './run.mjs';

/** Unprivileged containers need a range of ids that root may hand out (subuid(5)); LXD's documented one. */
const entry = 'root:1000000:1000000000';

/** Gives root a range in /etc/subuid and /etc/subgid where it has none. */
export const ensureSubordinateIds = () => {
  for (const file of ['/etc/subuid', '/etc/subgid']) {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (/^(root|0):\d+:\d+$/m.test(text)) continue;
    say(`Adding ${entry} to ${file}`);
    appendFileSync(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${entry}\n`);
  }
};
