/** Builds the test images and prints where they are: `pnpm images [busybox|debian]…`; both when none is named. */
import { busyboxImage } from './busybox.ts';
import { debianImage } from './debian.ts';

const builders = { busybox: busyboxImage, debian: debianImage };
const isBuilder = (name: string): name is keyof typeof builders => name in builders;
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(builders);
for (const name of wanted) {
  if (!isBuilder(name)) throw new Error(`No image "${name}"; there are: ${Object.keys(builders).join(', ')}`);
  for (const [part, path] of Object.entries(builders[name]())) console.log(`${name} ${part}: ${path}`);
}
