const steps = (value: number, factor: number, names: readonly string[], digits: number): string => {
  if (value < factor) return `${value}B`;
  let amount = value / factor;
  for (const name of names.slice(0, -1)) {
    if (amount < factor) return `${amount.toFixed(digits)}${name}`;
    amount /= factor;
  }
  return `${amount.toFixed(digits)}${names.at(-1)}`;
};

/** A number of bytes in powers of 1000, e.g. `1.50MB`. */
export const bytes = (value: number, digits: number): string =>
  steps(value, 1000, ['kB', 'MB', 'GB', 'TB', 'PB', 'EB'], digits);

/** A number of bytes in powers of 1024, e.g. `1.50MiB`. */
export const bytesIec = (value: number, digits: number): string =>
  steps(value, 1024, ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'], digits);

const units: Record<string, number> = { '': 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15, EB: 1e18 };
const binary = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Reads a size with a unit, e.g. `10MiB`; `undefined` if it is none. */
export const parseBytes = (text: string): number | undefined => {
  const [, digits, unit = ''] = /^(\d+)\s*([a-zA-Z]*)$/.exec(text.trim()) ?? [];
  const power = binary.indexOf(unit);
  const factor = power >= 0 ? 1024 ** (power + 1) : units[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
};
