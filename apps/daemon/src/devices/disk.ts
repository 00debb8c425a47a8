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
import { isErrno, run } from '@lxd-ts/host';
import { canMapIds } from '../core/id-mapped-mounts.ts';
import { applyDiskLimits, hasLimits } from './disk-limits.ts';
import { deviceKey } from './key.ts';
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

/** The type of the file system a block device carries (blkid(8)). @throws LxdError bad-request when it carries none */
const fileSystemOn = async (source: string): Promise<string> => {
  const { stdout } = await run(['blkid', '-p', '-s', 'TYPE', '-o', 'value', source], {
    debianPackage: 'util-linux',
  }).catch((error: unknown) => {
    throw badRequest(`The block device "${source}" carries no file system`, { cause: error });
  });
  return stdout.trim();
};

/** @throws LxdError bad-request when ids cannot be shifted here */
const checkShift = async ({ instance }: DeviceContext, path: string): Promise<void> => {
  if (instance.idmap && !(await canMapIds(path))) throw badRequest('Required idmapping abilities not available');
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
    mountedVolumes.set(deviceKey(device, context), volume);
    const shift = isTrue(config['shift']) || volume.shifted;
    if (shift) await checkShift(context, volume.path);
    return [mountOf(device, volume.path, shift, undefined)];
  }
  const kind = await sourceKind(source);
  if (kind === undefined) {
    if (isFalse(config['required'])) {
      context.warn(
        `The source "${source}" of disk "${device.name}" is missing; the device is not required and is left out`,
      );
      return [];
    }
    throw notFound(`Missing source path "${source}" for disk "${device.name}"`);
  }
  const shift = isTrue(config['shift']);
  if (kind === 'block') return [mountOf(device, source, shift, await fileSystemOn(source))];
  if (shift) await checkShift(context, source);
  return [mountOf(device, source, shift, undefined)];
};

const isRootDisk = (config: Config): boolean => config['path'] === '/';

/** Where a container's kernel file systems are: a mount there would hide them. */
const kernelPath = /^\/(?:proc|sys)(?:\/|$)|^\/dev$/;

/** Puts the limits of the instance's disks in force, this device being as told; undefined: it is gone. */
const limit = (context: DeviceContext, name: string, config: Config | undefined): void => {
  if (context.instance.type !== 'container') return;
  const others = Object.entries(context.instance.devices).filter(
    ([other, { type }]) => other !== name && type === 'disk',
  );
  applyDiskLimits(context, new Map(config ? [...others, [name, config]] : others));
};

/** Disks: the root disk, custom volumes, and paths and block devices of the host (spec 03 §27). */
export const disk = defineDeviceDriver({
  type: 'disk',
  instanceTypes: ['container', 'virtual-machine'],
  hotplug: ['container', 'virtual-machine'],
  config: diskKeys,

  validate({ config }, type) {
    const { path, source, pool } = config;
    if (isRootDisk(config)) {
      if (source) throw badRequest('Root disk entry may not have a "source" property set');
      if (!pool) throw badRequest('Root disk entry must have a "pool" property set');
      return;
    }
    if (!source) throw badRequest('Disk entry is missing the required "source" or "path" property');
    if (config['size']) throw badRequest('Only the root disk may have a size quota');
    if (type === 'container' && !path) throw badRequest('Disk entry is missing the required "path" property');
    if (pool && isAbsolute(source)) throw badRequest('Storage volumes cannot be specified as absolute paths');
    if (type === 'container' && kernelPath.test(normalize(path ?? '')))
      throw badRequest(`A disk cannot be mounted at "${path}": the kernel's own file systems are there`);
    if (path && !isAbsolute(path)) throw badRequest('"path" must be absolute');
    if (!pool && !isAbsolute(source)) throw badRequest('Source path must be absolute for local sources');
    if (pool && isTrue(config['recursive'])) throw badRequest('"recursive" cannot be used with a volume');
    if (isTrue(config['recursive']) && isTrue(config['readonly']))
      throw badRequest("Recursive read-only bind-mounts aren't currently supported by the kernel");
  },

  async start(device, context) {
    const attachments = isRootDisk(device.config) ? [] : await attach(device, context);
    if (!hasLimits(device.config)) return { attachments };
    const afterStart = async (pid: number): Promise<void> =>
      limit({ ...context, instance: { ...context.instance, pid } }, device.name, device.config);
    return { attachments, afterStart };
  },

  async update(device, _before, context) {
    limit(context, device.name, device.config);
  },

  async recover(device, context) {
    const { config } = device;
    // Mounted already: taken up so that it is given back when the device stops.
    if (config['pool'] && !isRootDisk(config))
      mountedVolumes.set(deviceKey(device, context), await context.volume(config['pool'], config['source'] ?? ''));
  },

  async stop(device, context) {
    const key = deviceKey(device, context);
    const volume = mountedVolumes.get(key);
    mountedVolumes.delete(key);
    await volume?.[Symbol.asyncDispose]();
    if (context.instance.pid !== undefined && hasLimits(device.config)) limit(context, device.name, undefined);
    return undefined;
  },
});
