import { describe, expect, it } from 'vitest';
import { prettyLine } from './monitor-pretty.ts';

const logging = {
  type: 'logging',
  timestamp: '2026-11-22T03:50:37.468665851Z',
  location: 'none',
  project: '',
  metadata: {
    level: 'debug',
    message: 'Success for operation',
    context: { project: 'default', class: 'task', x: 'a b' },
  },
} as const;

const operation = {
  type: 'operation',
  timestamp: '2026-11-22T03:51:13.82Z',
  location: 'none',
  project: 'default',
  metadata: {
    id: '353f',
    class: 'task',
    description: 'Creating instance',
    created_at: '2026-11-22T03:51:13.773948822Z',
    updated_at: '2026-11-22T03:51:13.82Z',
    status: 'Running',
    status_code: 103,
    resources: { instances: ['/1.0/instances/t2'], containers: ['/1.0/containers/t2'] },
    metadata: { progress: { percent: '86', stage: 'unpack' } },
    may_cancel: false,
    err: '',
    location: 'none',
  },
} as const;

describe('events for people', () => {
  it('are one line of key=value where no terminal is, as the reference client writes it', () => {
    expect(prettyLine(logging, '', false)).toBe(
      'time="2026-11-22T03:50:37Z" level=debug msg="Success for operation" class=task project=default x="a b"',
    );
    expect(prettyLine(operation, '', false)).toBe(
      'time="2026-11-22T03:51:13Z" level=info msg="ID: 353f, Class: task, Description: Creating instance" ' +
        'CreatedAt="2026-11-22 03:51:13.773948822 +0000 UTC" Err= Location=none MayCancel=false ' +
        'Metadata="map[progress:map[percent:86 stage:unpack]]" ' +
        'Resources="map[containers:[/1.0/containers/t2] instances:[/1.0/instances/t2]]" ' +
        'Status=Running StatusCode=Running UpdatedAt="2026-11-22 03:51:13.82 +0000 UTC"',
    );
  });

  it('have colours and columns on a terminal', () => {
    expect(prettyLine(logging, '', true)).toBe(
      `\u001b[37mDEBUG  \u001b[0m[2026-11-22T03:50:37Z] ${'Success for operation'.padEnd(44)} ` +
        ' \u001b[37mclass\u001b[0m=task \u001b[37mproject\u001b[0m=default \u001b[37mx\u001b[0m="a b"',
    );
  });

  it('leave out log records below the level asked for, and nothing else', () => {
    expect(prettyLine(logging, 'info', false)).toBeUndefined();
    expect(prettyLine(logging, 'debug', false)).toBeDefined();
    expect(prettyLine(operation, 'error', false)).toBeDefined();
  });
});
