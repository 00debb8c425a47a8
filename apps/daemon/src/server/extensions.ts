import { type ApiExtension, apiExtensions } from '@lxd-ts/api';

/** Extensions this daemon does not serve yet: a client that finds a name in the list may use it. */
const notServed: ReadonlySet<ApiExtension> = new Set<ApiExtension>([]);

/** The names advertised as `api_extensions`, oldest first. */
export const servedExtensions: readonly string[] = apiExtensions.filter((name) => !notServed.has(name));
