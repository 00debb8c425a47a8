import { describe, expect, it } from 'vitest';
import { hint } from './first-use.ts';

describe('the hint at the first use', () => {
  it('names lxd init only where the server has no pool yet', () => {
    expect(hint('lxc', 0)).toMatch(/^If this is your first time .* lxd init\nTo start your first container, try: /);
    expect(hint('lxc', 1)).toMatch(/^To start your first container, try: lxc launch ubuntu:22.04\n/);
  });

  it('speaks of virtual machines only where the server can run them', () => {
    expect(hint('lxc', 1)).not.toContain('--vm');
    expect(hint('lxc | qemu', 1)).toContain('Or for a virtual machine: lxc launch ubuntu:22.04 --vm\n');
  });
});
