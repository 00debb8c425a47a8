import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkName, type NamedKind, nameProblem } from './names.ts';

describe('names', () => {
  it.each(['a', 'C1', 'web-01', 'default', 'a'.repeat(63)])('[03.19 03.23] an instance may be called %s', (name) => {
    expect(nameProblem('instance', name)).toBeUndefined();
  });

  // The sentences of LXD 5.0.2.
  it.each([
    ['', 'Name must be 1-63 characters long'],
    ['a'.repeat(64), 'Name must be 1-63 characters long'],
    ['1c', 'Name must not start with a number'],
    ['-c', 'Name must not start with "-" character'],
    ['c-', 'Name must not end with "-" character'],
    ['a_b', 'Name can only contain alphanumeric and hyphen characters'],
    ['a.b', 'Name can only contain alphanumeric and hyphen characters'],
    ['a b', 'Name can only contain alphanumeric and hyphen characters'],
    ['é', 'Name can only contain alphanumeric and hyphen characters'],
    ['a\n', 'Name can only contain alphanumeric and hyphen characters'],
  ])('[03.19 03.20 03.21 03.22] an instance may not be called %j', (name, problem) => {
    expect(() => checkName('instance', name)).toThrow(`Invalid instance name: ${problem}`);
  });

  it('says that a slash parts instance and snapshot', () => {
    expect(nameProblem('instance', 'a/b')).toBe('The character "/" is reserved for snapshots');
  });

  it('[03.25] what an instance may be called is a DNS label and a path component', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 70 }), (name) => {
        if (nameProblem('instance', name) === undefined)
          expect(name).toMatch(/^[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/);
      }),
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/), (name) => {
        expect(nameProblem('instance', name)).toBeUndefined();
      }),
    );
  });

  it('[03.206] a device name has up to 64 characters', () => {
    expect(nameProblem('device', 'd'.repeat(64))).toBeUndefined();
    expect(nameProblem('device', 'd'.repeat(65))).toBe('The maximum device name length is 64 characters');
    expect(nameProblem('device', 'eth0.1/a:b_c-d')).toBeUndefined();
    expect(nameProblem('device', '.x')).toBe('Name must not start with "." character');
    expect(nameProblem('device', 'a b')).toMatch(/^Name can only contain/);
  });

  it.each<[NamedKind, string, string]>([
    ['profile', 'a/b', 'Profile names may not contain slashes'],
    ['profile', '..', 'Invalid profile name ".."'],
    ['profile', '', 'No name provided'],
    ['project', 'a_b', 'Project names may not contain underscores'],
    ['project', 'a b', 'Project names may not contain spaces'],
    ['project', "a'b", 'Project names may not contain quotes'],
    ['project', '*', 'Reserved project name'],
    ['networkAcl', '', 'Name is required'],
    ['network', 'a', 'Network interface is too short (minimum 2 characters)'],
    ['network', 'a'.repeat(16), 'Network interface is too long (maximum 15 characters)'],
    ['network', 'a:b', 'Network interface contains invalid characters'],
    ['pool', 'a b', 'Storage name cannot contain white space'],
    ['volume', 'a/b', 'Storage volume names may not contain slashes'],
    ['volumeSnapshot', 'a b', 'Storage name cannot contain white space'],
    ['backup', 'a/b', 'Backup names may not contain slashes'],
  ])('a %s may not be called %j', (kind, name, problem) => {
    expect(nameProblem(kind, name)).toBe(problem);
  });

  it.each(['/', '?', '&', '+'])('[03.179 05.124] a snapshot name does not contain %s', (character) => {
    expect(nameProblem('instanceSnapshot', `a${character}b`)).toBe(
      `Invalid snapshot name: Cannot contain "${character}"`,
    );
  });

  it.each<[NamedKind, string]>([
    ['profile', 'a b'],
    ['project', 'web.shop'],
    ['instanceSnapshot', 'before update'],
    ['volume', 'data:1'],
    ['pool', 'ssd_1'],
    ['network', 'lxdbr0'],
    ['networkZone', '2.0.192.in-addr.arpa'],
    ['networkZoneRecord', '@'],
    ['networkZoneRecord', '*.web'],
    ['imageAlias', 'ubuntu/24.04'],
    ['bucket', 'my-bucket.1'],
  ])('a %s may be called %j', (kind, name) => {
    expect(nameProblem(kind, name)).toBeUndefined();
  });

  it('no name of a directory leads out of its parent', () => {
    const kinds: NamedKind[] = [
      'instance',
      'instanceSnapshot',
      'volumeSnapshot',
      'backup',
      'volume',
      'pool',
      'profile',
      'project',
      'network',
    ];
    for (const kind of kinds) {
      for (const name of ['.', '..', '../x', 'a/../b', 'a\0b']) expect(nameProblem(kind, name)).toBeDefined();
    }
  });
});
