import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Node } from '../command/command.ts';
import { find } from '../command/dispatch.ts';
import { type Flags, globalFlags } from '../command/flags.ts';
import { root } from './root.ts';

interface Described {
  command: string;
  arguments?: string;
  aliases?: string[];
  flags?: string[];
  hidden?: boolean;
}

const spec: { commands: Described[]; global_flags: string[] } = parse(
  readFileSync(new URL('../../../../docs/spec/cli.yaml', import.meta.url), 'utf8'),
);

/** Aliases that are built in rather than commands. */
const expanded = ['lxc shell'];

const flagsOf = (node: Node): Flags => (node.kind === 'leaf' ? { ...globalFlags, ...node.spec.flags } : globalFlags);

/** `--format -f <string>` in its parts. */
const readFlag = (text: string) => {
  const [, name = '', short, type] = /^--([\w-]+)(?: -(\w))?(?: <([\w[\]]+)>)?$/.exec(text) ?? [];
  return { name, short, type: type ?? 'bool' };
};

const kinds: Record<string, string> = { 'string[]': 'list' };

describe('every command of the spec', () => {
  for (const { command, aliases = [], flags = [] } of spec.commands.filter(({ command: c }) => !expanded.includes(c))) {
    it(`${command} with its flags and other names`, async () => {
      const words = command.split(' ').slice(1);
      const found = await find(root, words);
      expect(found.path.join(' ')).toBe(command);
      expect(found.names).toEqual(expect.arrayContaining(aliases));
      const declared = flagsOf(found.node);
      for (const { name, short, type } of flags.map(readFlag)) {
        expect(declared, `--${name}`).toHaveProperty([name]);
        expect(declared[name]).toMatchObject({ kind: kinds[type] ?? type, ...(short ? { short } : {}) });
      }
      for (const alias of aliases) {
        const other = await find(root, [...words.slice(0, -1), alias]);
        expect(other.path.join(' ')).toBe(command);
      }
    });
  }
});

/** Usage lines that are not those of the spec, each with the reason. */
const otherUsage: Record<string, string> = {
  'lxc launch': 'the spec lists only what it has beyond init',
};

describe('the usage line of every command of the spec', () => {
  for (const { command, arguments: line } of spec.commands) {
    if (line === undefined || expanded.includes(command) || command in otherUsage) continue;
    it(`${command} ${line}`, async () => {
      const { node } = await find(root, command.split(' ').slice(1));
      if (node.kind !== 'leaf') throw new Error('It only holds other commands');
      const { use, usageEnd = ' [flags]' } = node.spec;
      expect([use, `${use}${usageEnd}`]).toContain(line);
    });
  }
});

describe('the flags that every command takes', () => {
  it('are those of the spec', () => {
    for (const { name, short } of spec.global_flags.map((text) => ({
      name: /--([\w-]+)/.exec(text)?.[1] ?? '',
      short: / -(\w)$/.exec(text)?.[1],
    }))) {
      expect(globalFlags).toHaveProperty([name]);
      if (short) expect(Object.values<{ short?: string }>(globalFlags).map((flag) => flag.short)).toContain(short);
    }
  });
});
