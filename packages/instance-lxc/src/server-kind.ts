import type { Machine } from '@lxd-ts/driver-kit';
import type { ServerKind } from './attach-client.ts';
import { deniesCompat } from './config/seccomp.ts';

/** The attach server that a container's commands, and its monitor, are to come from. */
export const serverKind = ({ config }: Machine): ServerKind => (deniesCompat(config) ? 'native-only' : 'plain');
