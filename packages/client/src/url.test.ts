import { describe, expect, it } from 'vitest';
import { localSocketPath } from './endpoint.ts';
import { apiPath } from './url.ts';

describe('paths', () => {
  it('escape every segment, so that no name can reach another resource', () => {
    expect(apiPath([])).toBe('/1.0');
    expect(apiPath(['instances', 'a/../b'])).toBe('/1.0/instances/a%2F..%2Fb');
    expect(apiPath(['images', 'aliases', 'ubuntu/22.04?x=1'])).toBe('/1.0/images/aliases/ubuntu%2F22.04%3Fx%3D1');
  });

  it('leave out parameters that say nothing', () => {
    expect(apiPath(['instances'], { recursion: 2, project: '', target: undefined, force: false })).toBe(
      '/1.0/instances?recursion=2',
    );
    expect(apiPath(['x'], { path: '/a b&c', all: true })).toBe('/1.0/x?path=%2Fa+b%26c&all=true');
  });
});

describe('the socket of the daemon on this machine', () => {
  const none = () => false;

  it('is LXD_SOCKET, else in LXD_DIR, else in the usual folder that exists', () => {
    expect(localSocketPath({ LXD_SOCKET: '/run/s', LXD_DIR: '/d' }, none)).toBe('/run/s');
    expect(localSocketPath({ LXD_DIR: '/d' }, none)).toBe('/d/unix.socket');
    expect(localSocketPath({}, none)).toBe('/var/lib/lxd/unix.socket');
    expect(localSocketPath({}, (path) => path.startsWith('/var/snap'))).toBe('/var/snap/lxd/common/lxd/unix.socket');
  });
});
