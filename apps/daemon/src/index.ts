/** The daemon as a library: start one in your own process. */
export { type Directories, directoriesOf } from './core/directories.ts';
export { createLog } from './core/log.ts';
export { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
export { createEvents, type Events } from './events/bus.ts';
