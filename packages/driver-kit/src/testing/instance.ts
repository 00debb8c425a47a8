/**
 * The conformance suite of instance drivers. One call, in a file that vitest runs as root, checks with real instances that a
 * driver does what `instance/contract.ts` says.
 *
 * @example
 * import { instanceConformance } from '@lxd-ts/driver-kit/testing';
 * instanceConformance({
 *   driver: jails,
 *   forms: [{ title: 'unprivileged', idmap: contiguousIdMap(1000000, 65536) }],
 *   module: { url: new URL('./index.ts', import.meta.url).href, name: 'jails' },
 * });
 */
import { describe, expect, it } from 'vitest';
import { consoleTests } from './instance/console.ts';
import { deviceTests } from './instance/devices.ts';
import { execTests } from './instance/exec.ts';
import { lifecycleTests } from './instance/lifecycle.ts';
import { resourceTests } from './instance/resources.ts';
import { type InstanceConformanceOptions, makeSuite } from './instance/suite.ts';

export type { InstanceConformanceOptions, InstanceForm } from './instance/suite.ts';

/** Declares the suite's tests. */
export const instanceConformance = (options: InstanceConformanceOptions): void => {
  const { driver } = options;
  it('the driver works on this host and says what it is', async () => {
    expect(driver.kind).toBe('instance');
    const { version, features } = await driver.probe();
    expect(version).toMatch(/^\d+\.\d+/);
    for (const feature of Object.values(features)) expect(typeof feature).toBe('boolean');
  });
  describe.each(options.forms)('$title', (form) => {
    const suite = makeSuite(options, form);
    lifecycleTests(suite);
    execTests(suite);
    consoleTests(suite);
    deviceTests(suite);
    resourceTests(suite);
  });
};
