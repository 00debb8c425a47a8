import { readText } from './sysfs.ts';

type Names = Map<string, string>;

/** Vendors by their number, products by `vendor:product`, as in the files of the packages pci.ids and usb.ids. */
function parse(text: string): Names {
  const names: Names = new Map();
  let vendor = '';
  for (const line of text.split('\n')) {
    // The list of device classes follows the list of vendors.
    if (/^C [0-9a-f]{2} /.test(line)) break;
    const [, tab = '', id = '', name = ''] = /^(\t?)([0-9a-f]{4})\s+(.+)$/.exec(line) ?? [];
    if (id === '') continue;
    if (tab === '') vendor = id;
    names.set(tab === '' ? id : `${vendor}:${id}`, name);
  }
  return names;
}

const cache = new Map<string, Names>();

function load(file: 'pci.ids' | 'usb.ids'): Names {
  let names = cache.get(file);
  if (!names) {
    const text = readText('/usr/share/misc', file) ?? readText('/usr/share/hwdata', file);
    names = parse(text ?? '');
    cache.set(file, names);
  }
  return names;
}

/** The names of a vendor and product, where this host knows them. */
export function hardwareNames(
  bus: 'pci' | 'usb',
  vendor: string,
  product: string,
): { vendor: string | undefined; product: string | undefined } {
  const names = load(`${bus}.ids`);
  return { vendor: names.get(vendor), product: names.get(`${vendor}:${product}`) };
}
