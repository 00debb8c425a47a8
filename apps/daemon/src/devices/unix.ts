import { stat } from 'node:fs/promises';
import { isAbsolute, normalize } from 'node:path';
import {
  badRequest,
  type Config,
  type Device,
  type DeviceContext,
  type DeviceDriver,
  defineDeviceDriver,
  isFalse,
  messageOf,
  type NodeAttachment,
} from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { deviceKey } from './key.ts';
import { unixKeys } from './keys/unix.ts';
import { watchPath } from './watch-path.ts';

type NodeType = NodeAttachment['type'];

interface HostNode {
  readonly major: number;
  readonly minor: number;
}

/** Watches of host nodes that come and go, by instance and device. */
const watches = new Map<string, Disposable>();

/** The numbers of a device of this type on the host (makedev(3)); undefined when nothing is there. */
const hostNode = async (type: NodeType, path: string): Promise<HostNode | undefined> => {
  try {
    const info = await stat(path);
    if (!(type === 'char' ? info.isCharacterDevice() : info.isBlockDevice()))
      throw badRequest(`Path specified is not a unix-${type} device`);
    // Arithmetic, since minors of more than 8 bits lie above what bit operators reach.
    return { major: (info.rdev >> 8) & 0xfff, minor: (info.rdev % 0x100) + Math.floor(info.rdev / 0x100000) * 0x100 };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
};

const ownNumbers = ({ config }: Device): Partial<HostNode> => ({
  ...(config['major'] ? { major: Number(config['major']) } : {}),
  ...(config['minor'] ? { minor: Number(config['minor']) } : {}),
});

/** Comes with its host node and goes with it, instead of being needed for the start. */
const follows = (config: Config): boolean => isFalse(config['required']) && Boolean(config['source']);

const attachments = async (type: NodeType, device: Device): Promise<readonly NodeAttachment[]> => {
  const { config } = device;
  const own = ownNumbers(device);
  const source = config['source'] || config['path'] || '';
  const fixed = own.major !== undefined && own.minor !== undefined;
  const host = fixed && !follows(config) ? undefined : await hostNode(type, source);
  if (!host && follows(config)) return [];
  const { major, minor } = { ...host, ...own };
  if (major === undefined || minor === undefined) {
    if (isFalse(config['required'])) return [];
    throw badRequest("The required device path doesn't exist and the major and minor settings are not specified");
  }
  return [
    {
      kind: 'node',
      device: device.name,
      type,
      major,
      minor,
      target: normalize(config['path'] || source),
      mode: Number.parseInt(config['mode'] || '0660', 8),
      uid: Number(config['uid'] || 0),
      gid: Number(config['gid'] || 0),
    },
  ];
};

/** Attaches the device whenever its host node appears, and detaches it when that goes. */
const follow = (type: NodeType, device: Device, context: DeviceContext): void => {
  const key = deviceKey(device, context);
  let waiting = false;
  const wanted = async (): Promise<readonly NodeAttachment[] | undefined> => {
    waiting = false;
    return watches.get(key) === watched ? attachments(type, device) : undefined;
  };
  const onChange = (): void => {
    // One look under way sees all changes before it.
    if (waiting) return;
    waiting = true;
    context.hotplug(wanted).catch((error: unknown) => context.warn(`Could not follow the host: ${messageOf(error)}`));
  };
  watches.get(key)?.[Symbol.dispose]();
  const watched = watchPath(device.config['source'] ?? '', onChange);
  watches.set(key, watched);
};

const unixDevice = (type: NodeType): DeviceDriver =>
  defineDeviceDriver({
    type: `unix-${type}`,
    instanceTypes: ['container'],
    hotplug: ['container'],
    config: unixKeys,

    validate({ config }) {
      if (!config['source'] && !config['path'])
        throw badRequest('Unix device entry is missing the required "source" or "path" property');
      if (config['path'] && !isAbsolute(config['path'])) throw badRequest('"path" must be absolute');
    },

    async start(device, context) {
      // The watch first: what appears after the look must not go unseen.
      if (follows(device.config)) follow(type, device, context);
      return { attachments: await attachments(type, device) };
    },

    async recover(device, context) {
      if (!follows(device.config) || context.instance.pid === undefined) return;
      follow(type, device, context);
      // It may have come or gone while no daemon watched.
      await context.hotplug(() => attachments(type, device));
    },

    async stop(device, context) {
      const key = deviceKey(device, context);
      watches.get(key)?.[Symbol.dispose]();
      watches.delete(key);
      return undefined;
    },
  });

/** Character devices of the host (spec 03 §28). */
export const unixChar = unixDevice('char');

/** Block devices of the host (spec 03 §28). */
export const unixBlock = unixDevice('block');
