/**
 * `npm start`: from a fresh clone to a running container. Makes the machine ready, starts the daemon in the background,
 * and the first time sets up a storage pool, a network, the default profile, a small image and a container.
 * Where all of that is there it only says so.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, environment, isMain, main, root, run, say } from './setup/run.mjs';
import { setup } from './setup.mjs';

const bin = (/** @type {string} */ name) => join(root, 'node_modules/.bin', name);

/** The real LXD keeps its database with dqlite, whose log has a metadata file. */
const belongsToRealLxd = (/** @type {string} */ folder) => existsSync(join(folder, 'database/global/metadata1'));

/** The data folder: what the environment says, else the usual one unless the real LXD lives there. */
const chooseFolder = () => {
  const usual = '/var/lib/lxd';
  const chosen = process.env.LXD_DIR || usual;
  if (!belongsToRealLxd(chosen)) return chosen;
  if (process.env.LXD_DIR) throw new Error(`${chosen} belongs to another LXD: set LXD_DIR to a folder of its own`);
  say(`${usual} belongs to another LXD, so this one lives in ${usual}-ts`);
  return `${usual}-ts`;
};

/**
 * Asks the API with the client.
 *
 * @param {string} path
 * @returns {unknown} the answer; undefined when there is no such thing
 */
const query = (path) => {
  const { code, stdout, stderr } = ask(bin('lxc'), ['query', path]);
  if (code === 0) return JSON.parse(stdout);
  if (/not found/i.test(stderr)) return undefined;
  throw new Error(`lxc query ${path}: ${stderr.trim()}`);
};

const answers = () => spawnSync(bin('lxd'), ['waitready', '--timeout=1'], { env: environment }).status === 0;

/**
 * Starts the daemon so that it outlives this script; nothing to do where it answers already.
 *
 * @param {string} folder
 */
const startDaemon = (folder) => {
  if (existsSync(join(folder, 'unix.socket')) && answers()) return;
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const logFile = join(folder, 'lxd.log');
  say(`Starting the daemon; its log is ${logFile}`);
  const log = openSync(logFile, 'a');
  spawn(bin('lxd'), [], { env: environment, detached: true, stdio: ['ignore', log, log] }).unref();
  if (spawnSync(bin('lxd'), ['waitready', '--timeout=60'], { env: environment }).status !== 0) {
    const tail = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
    throw new Error(`The daemon is not ready. The end of ${logFile}:\n${tail}`);
  }
};

/** A name for the bridge that no link on this host has. */
const freeBridge = () => {
  for (let n = 0; ; n++) if (!existsSync(`/sys/class/net/lxdbr${n}`)) return `lxdbr${n}`;
};

const initialise = () => {
  const pools = query('/1.0/storage-pools');
  if (Array.isArray(pools) && pools.length > 0) return;
  const network = freeBridge();
  say(`Setting up storage pool "default", network "${network}" and profile "default"`);
  const preseed = {
    storage_pools: [{ name: 'default', driver: 'dir' }],
    networks: [{ name: network, type: 'bridge', config: { 'ipv4.address': 'auto', 'ipv6.address': 'auto' } }],
    profiles: [
      {
        name: 'default',
        devices: {
          root: { type: 'disk', path: '/', pool: 'default' },
          eth0: { type: 'nic', name: 'eth0', network },
        },
      },
    ],
  };
  // JSON is YAML.
  const input = JSON.stringify(preseed);
  const done = spawnSync(bin('lxd'), ['init', '--preseed'], { env: environment, input, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`lxd init: ${done.stderr.trim()}`);
};

const importImage = async () => {
  if (query('/1.0/images/aliases/busybox') !== undefined) return;
  say('Building and importing the image "busybox"');
  const built = ask(bin('node'), [join(root, 'tooling/images/main.ts'), 'busybox']);
  const archive = built.stdout.match(/^busybox unified: (.*)$/m)?.[1];
  if (built.code !== 0 || archive === undefined)
    throw new Error(`The image could not be built: ${built.stderr.trim()}`);
  await run(bin('lxc'), ['image', 'import', archive, '--alias', 'busybox']);
};

/** Makes sure that container "first" runs; where it was just started, waits a little for its address. */
const launchFirst = async () => {
  const first = query('/1.0/instances/first');
  if (first === undefined) await run(bin('lxc'), ['launch', 'busybox', 'first']);
  else if (typeof first === 'object' && first !== null && 'status' in first && first.status === 'Stopped') {
    await run(bin('lxc'), ['start', 'first']);
  } else return;
  const hasAddress = () => /\d/.test(ask(bin('lxc'), ['list', 'first', '--format=csv', '--columns=4']).stdout);
  for (let tries = 0; tries < 20 && !hasAddress(); tries++) await sleep(250);
};

const start = async () => {
  if (process.getuid?.() !== 0) throw new Error('The daemon manages containers and networks: run this as root');
  const folder = chooseFolder();
  environment.LXD_DIR = folder;
  await setup({ test: false });
  startDaemon(folder);
  initialise();
  await importImage();
  await launchFirst();
  say('');
  await run(bin('lxc'), ['list']);
  say('\nWhat to type next:');
  if (folder !== '/var/lib/lxd') say(`  export LXD_DIR=${folder}`);
  say(`  export PATH=${join(root, 'node_modules/.bin')}:$PATH`);
  say('  lxc exec first -- sh          a shell in the container');
  say('  lxc launch busybox second     one more');
  say('  lxc --help                    everything else');
};

if (isMain(import.meta.url)) await main(start);
