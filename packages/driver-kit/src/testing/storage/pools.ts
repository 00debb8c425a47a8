import { stat } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parseSize, validateConfig } from '../../config.ts';
import { poolConfigKeys } from '../../storage/config-keys.ts';
import { itWhere } from '../it-where.ts';
import { discard, expectKind, fileFill, listed, readIn } from './helpers.ts';
import type { Suite } from './suite.ts';

/** The pool as a whole. */
export const poolTests = ({ driver, form, pool, spec, newVolume, reopen }: Suite): void => {
  it('the driver says that it works here, and in which version', async () => {
    expect((await driver.probe()).version).toMatch(/\S/);
  });

  it('[05.24] the effective configuration is valid and names the source, beside the one that was given', () => {
    const { config } = spec();
    validateConfig(poolConfigKeys(driver), config, 'storage pool');
    expect(config.source).toMatch(/\S/);
    expect(Object.values(config)).not.toContain('');
  });

  it('the pool is where it was told to be', async () => {
    expect(pool().name).toBe(spec().name);
    expect(pool().path).toBe(spec().path);
    expect((await stat(pool().path)).isDirectory()).toBe(true);
  });

  it('opening it again, open as it is, is harmless', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'here'));
    const second = await driver.open(spec());
    expect(await readIn(second, volume, 'f')).toBe('here');
    expect(await readIn(pool(), volume, 'f')).toBe('here');
    await discard(second, volume);
    expect(await pool().hasVolume(volume)).toBe(false);
  });

  it('volumes are there again after the pool was closed and opened', async () => {
    const volume = newVolume();
    await pool().createVolume(volume, fileFill('f', 'here'));
    await pool().createSnapshot({ ...volume, snapshot: 's0' });
    const before = await listed(pool());
    await reopen();
    expect(await listed(pool())).toEqual(before);
    expect(await readIn(pool(), volume, 'f')).toBe('here');
    await discard(pool(), volume, 's0');
  });

  it('its source cannot be changed', async () => {
    await expectKind(pool().update({ ...spec().config, source: '/elsewhere' }, ['source']), 'bad-request');
  });

  const { grows } = form;
  itWhere(grows !== undefined)(
    '[05.43 05.45 05.259] the pool grows with volumes in it, and never shrinks',
    async () => {
      const volume = newVolume();
      await pool().createVolume(volume, fileFill('f', 'here'));
      const { space: before } = await pool().resources();
      const size = grows ?? '';
      await pool().update({ ...spec().config, size }, ['size']);
      const { space: after } = await pool().resources();
      expect(after.total).toBeGreaterThan(before.total);
      const smaller = String(Math.floor(parseSize(size) / 2));
      await expectKind(pool().update({ ...spec().config, size: smaller }, ['size']), 'bad-request');
      expect(await readIn(pool(), volume, 'f')).toBe('here');
      await reopen();
      expect((await pool().resources()).space.total).toBe(after.total);
      await discard(pool(), volume);
    },
  );
};
