import type { Machine } from '@lxd-ts/driver-kit';
import type { ServerKind } from './attach-protocol.ts';
import { deniesCompat } from './config/seccomp.ts';
import { interceptedCalls } from './interception/rules.ts';

/** The attach server that a container's commands, and its monitor, are to come from. */
export const serverKind = (machine: Machine): ServerKind => ({
  nativeOnly: deniesCompat(machine.config),
  intercepting: interceptedCalls(machine).length > 0,
});
