/** The API level of LXD that this client speaks, and its version to the outside. */
export const version = '5.15';
