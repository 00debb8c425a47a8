/** The two kinds of maps that most API objects hold; the objects themselves are typed by `@lxd-ts/api`. */

export type Config = Record<string, string>;
export type Devices = Record<string, Config>;
