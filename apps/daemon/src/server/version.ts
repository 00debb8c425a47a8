/** The version of LXD this daemon stands for: its API and its words. */
export const serverVersion = '5.15';
