import { stat } from 'node:fs/promises';
import { isAbsolute, normalize } from 'node:path';
import {
  type Attachment,
  badRequest,
  type Config,
  type Device,
  type DeviceContext,
  defineDeviceDriver,
  isFalse,
  isTrue,
  type MountAttachment,
  type MountedVolume,
  notFound,
} from '@lxd-ts/driver-kit';
import { isErrno } from '@lxd-ts/host';
import { diskKeys } from './keys/disk.ts';

const propagations = [
  'private',
  'shared',
  'slave',
  'unbindable',
  'rprivate',
  'rshared',
  'rslave',
  'runbindable',
] as const;

const propagationOf = (value: string | undefined): MountAttachment['propagation'] =>
  propagations.find((known) => known === value) ?? 'private';

/** Volumes mounted for running devices, by instance and device, given back when the device stops. */
const mountedVolumes = new Map<string, MountedVolume>();

const keyOf = (device: Device, { instance }: DeviceContext): string =>
  `${instance.project}/${instance.name}/${device.name}`;

/** What kind of file a source is; undefined when it is missing. */
const sourceKind = async (source: string): Promise<'directory' | 'file' | 'block' | undefined> => {
  try {
    const info = await stat(source);
    if (info.isDirectory()) return 'directory';
    if (info.isBlockDevice()) return 'block';
    return 'file';
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
};

const mountOf = (device: Device, source: string, shift: boolean, fileSystem: string | undefined): MountAttachment => {
  const { config } = device;
  return {
    kind: 'mount',
    device: device.name,
    source,
    target: normalize(config['path'] ?? '/'),
    ...(fileSystem === undefined ? {} : { fileSystem }),
    readonly: isTrue(config['readonly']),
    recursive: isTrue(config['recursive']),
    propagation: propagationOf(config['propagation']),
    ...(config['raw.mount.options'] ? { options: config['raw.mount.options'] } : {}),
    shift,
  };
};

const attach = async (device: Device, context: DeviceContext): Promise<readonly Attachment[]> => {
  const { config } = device;
  const source = config['source'] ?? '';
  if (config['pool']) {
    const volume = await context.volume(config['pool'], source);
    mountedVolumes.set(keyOf(device, context), volume);
    return [mountOf(device, volume.path, isTrue(config['shift']) || volume.shifted, undefined)];
  }
  const kind = await sourceKind(source);
  if (kind === undefined) {
    if (isFalse(config['required'])) {
      context.warn(
        `The source "${source}" of disk "${device.name}" is missing; the device is not required and is left out`,
      );
      return [];
    }
    throw notFound(`Missing source "${source}" for disk "${device.name}"`);
  }
  // A block device is mounted with whatever file system it carries.
  return [mountOf(device, source, isTrue(config['shift']), kind === 'block' ? 'auto' : undefined)];
};

const isRootDisk = (config: Config): boolean => config['path'] === '/';

/** Disks: the root disk, custom volumes, and paths and block devices of the host (spec 03 §27). */
export const disk = defineDeviceDriver({
  type: 'disk',
  instanceTypes: ['container', 'virtual-machine'],
  hotplug: ['container', 'virtual-machine'],
  config: diskKeys,

  validate({ config }, type) {
    const { path, source, pool } = config;
    if (isRootDisk(config)) {
      if (source) throw badRequest('The root disk (path=/) takes no "source"');
      if (!pool) throw badRequest('The root disk (path=/) needs a "pool"');
      return;
    }
    if (!source) throw badRequest('A disk needs a "source": a path on the host, or a volume together with "pool"');
    if (config['size']) throw badRequest('"size" is for the root disk only');
    if (type === 'container' && !path) throw badRequest('A disk of a container needs a "path"');
    if (path && !isAbsolute(path)) throw badRequest('"path" must be absolute');
    if (!pool && !isAbsolute(source))
      throw badRequest('"source" must be an absolute path on the host, or a volume together with "pool"');
    if (pool && isTrue(config['recursive'])) throw badRequest('"recursive" cannot be used with a volume');
    if (isTrue(config['recursive']) && isTrue(config['readonly']))
      throw badRequest('"recursive" cannot be used together with "readonly"');
  },

  async start(device, context) {
    if (isRootDisk(device.config)) return { attachments: [] };
    return { attachments: await attach(device, context) };
  },

  async stop(device, context) {
    const key = keyOf(device, context);
    const volume = mountedVolumes.get(key);
    mountedVolumes.delete(key);
    await volume?.[Symbol.asyncDispose]();
    return undefined;
  },
});
