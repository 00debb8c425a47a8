/**
 * Takes the tour with the real LXD and Debian's client, and again with ours, and prints every difference that is not wanted.
 *
 *     pnpm tour [real|ours]:[real|ours] [section…]
 *
 * The pair names whose daemon and whose client to compare; `ours:ours` when not given. `real:real` shows what is volatile.
 */
import { ours, real } from '../support/programs.ts';
import { tour } from './steps.ts';
import { differencesOf, takeTour } from './tour.ts';
import { unwantedLines } from './wanted.ts';

const programs = { real, ours };
const [first = 'ours:ours', ...rest] = process.argv.slice(2);
const pair = first.match(/^(real|ours):(real|ours)$/);
const sections = pair ? rest : process.argv.slice(2);
for (const section of sections) {
  if (!(section in tour)) throw new Error(`No section "${section}"; there are: ${Object.keys(tour).join(', ')}`);
}
const pick = (name: string | undefined) => (name === 'real' ? programs.real : programs.ours);
const slow = (step: string, milliseconds: number) => {
  if (milliseconds > 3000) console.log(`(${(milliseconds / 1000).toFixed(1)} s) ${step}`);
};

const expected = await takeTour(real, real, sections, slow);
const found = await takeTour(pick(pair?.[1]), pick(pair?.[2]), sections, slow);
let unwanted = 0;
for (const difference of differencesOf(expected, found)) {
  const lines = unwantedLines(difference);
  if (lines.length === 0) continue;
  if (difference.part !== 'wording of the error') unwanted++;
  console.log(`\n${difference.step}\n  ${difference.part}`);
  for (const line of lines) console.log(`    ${line}`);
}
console.log(`\n${expected.size} steps, ${unwanted} unwanted differences`);
process.exitCode = unwanted === 0 ? 0 : 1;
