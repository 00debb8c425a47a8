/** The virtual machine as a QEMU command line. */
import { join } from 'node:path';
import type { Image } from './cache.ts';
import { qemuProgram } from './qemu-tree.ts';

export interface Machine {
  readonly image: Image;
  /** The run's folder, shared as `run`; the kernel's console goes into its file `console`. */
  readonly run: string;
  /** The folder shared as `repository`. */
  readonly repository: string;
  readonly accelerator: 'kvm' | 'tcg';
  readonly processors: number;
  /** Memory in MiB. */
  readonly memory: number;
  /** Whether the guest reaches the world outside. */
  readonly online: boolean;
  /** More words for the kernel's command line. */
  readonly append: readonly string[];
}

const kernelWords = [
  ...['console=ttyS0', 'loglevel=4', 'panic=-1', 'mitigations=off', 'nokaslr'],
  ...['cgroup_no_v1=all', 'apparmor=1', 'security=apparmor'],
  // On a busy host the emulated timer comes too late for the kernel, which would panic while it boots.
  'no_timer_check',
];

/** In QEMU's option lists a comma stands for itself when doubled. */
const quoted = (path: string): string => path.replaceAll(',', ',,');

const share = (tag: string, path: string): string[] => [
  ...['-fsdev', `local,id=${tag},path=${quoted(path)},security_model=passthrough,multidevs=remap`],
  ...['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
];

/** The command. It shows the guest's output, and ends with its parent. */
export const machineCommand = (machine: Machine): string[] => {
  const { image, run, repository, accelerator, processors, memory, online, append } = machine;
  return [
    ...['setpriv', '--pdeathsig', 'KILL'],
    ...qemuProgram(image.qemu),
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', 'q35,sata=off,smbus=off'],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ...['-cpu', 'max,la57=off', '-smp', String(processors), '-m', String(memory)],
    // The first device gets slot 1 of the bus, which is where the guest looks for it.
    ...['-nic', `user,model=virtio-net-pci,restrict=${online ? 'off' : 'on'}`],
    // What the guest writes goes into a file that QEMU has unlinked already.
    ...['-drive', `file=${quoted(image.disk)},format=raw,if=virtio,snapshot=on,discard=unmap`],
    ...share('run', run),
    ...share('repository', repository),
    // A card with virtual functions, for SR-IOV.
    ...['-device', 'pcie-root-port,id=port1,chassis=1'],
    ...['-netdev', 'user,id=card,net=10.0.3.0/24,restrict=on', '-device', 'igb,bus=port1,netdev=card'],
    ...['-device', 'virtio-rng-pci'],
    ...['-serial', `file:${quoted(join(run, 'console'))}`],
    ...[
      '-chardev',
      'stdio,id=output,signal=off',
      '-device',
      'virtio-serial-pci',
      '-device',
      'virtconsole,chardev=output',
    ],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', [...kernelWords, ...append].join(' ')],
  ];
};
