import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from './errors.ts';
import { formatByteSize, formatByteSizeIec, parseBitSize, parseByteSize } from './units.ts';

describe('sizes', () => {
  it.each([
    ['1kB', 1000],
    ['1KiB', 1024],
    ['2MB', 2_000_000],
    ['128MiB', 134_217_728],
    ['1EiB', 2 ** 60],
    ['1B', 1],
    ['7bytes', 7],
    ['7 bytes', 7],
    ['9EB', 9e18],
    ['0', 0],
    ['010', 10],
    ['4096', 4096],
  ])('[03.368 03.369 03.370] %s is %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  it.each([
    ['10Mbit', 10_000_000],
    ['1Gibit', 1_073_741_824],
    ['1bit', 1],
    ['3kbit', 3000],
    ['3Kibit', 3072],
    ['5', 5],
  ])('[03.367 03.369 03.370] %s is %d bits', (text, bits) => {
    expect(parseBitSize(text)).toBe(bits);
  });

  it.each(['1KB', '1kib', '1M', '1.5GB', '-1', '+1', ' 1', '1 ', '1 KiB', 'MB', '', '1Mbit', '0x10', '8EiB', '10EB'])(
    '[03.370] %j is no byte size',
    (text) => {
      expect(() => parseByteSize(text)).toThrow(InvalidInputError);
    },
  );

  it.each(['1MB', '1mbit', '1Bit', 'bit'])('[03.370] %j is no bit rate', (text) => {
    expect(() => parseBitSize(text)).toThrow(/^Invalid bit rate .*Mbit/);
  });

  it('[03.368] every whole number of every unit that fits is read exactly', () => {
    const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...units), (count, unit) => {
        const base = unit.includes('i') ? 1024n : 1000n;
        const power = BigInt('BkMGTPE'.indexOf(unit.charAt(0).replace('K', 'k')));
        const exact = BigInt(count) * base ** power;
        if (exact > 2n ** 63n - 1n) expect(() => parseByteSize(`${count}${unit}`)).toThrow(InvalidInputError);
        else expect(parseByteSize(`${count}${unit}`)).toBe(Number(exact));
      }),
    );
  });

  it('prints sizes for people', () => {
    expect(formatByteSize(999, 2)).toBe('999B');
    expect(formatByteSize(1500, 2)).toBe('1.50kB');
    expect(formatByteSizeIec(1023, 2)).toBe('1023B');
    expect(formatByteSizeIec(1536, 2)).toBe('1.50KiB');
    expect(formatByteSizeIec(3 * 2 ** 60, 1)).toBe('3.0EiB');
  });
});
