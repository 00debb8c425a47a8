import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { isErrno } from '../errno.ts';
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from '../socket-address.ts';
import { ioctl, socketCall } from '../syscalls.ts';

/** What a network card's driver tells about a link (linux/ethtool.h). */
export interface EthtoolPort {
  auto_negotiation: boolean;
  port_type?: string;
  transceiver_type?: string;
  /** What it can be plugged into. */
  supported_ports?: string[];
  /** `1000baseT/Full` */
  supported_modes?: string[];
  firmware_version?: string;
}

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GDRVINFO = 0x03;
const ETHTOOL_GLINKSETTINGS = 0x4c;
const IFREQ_SIZE = 40;
const IFREQ_DATA = 16;
const DRVINFO_SIZE = 196;
const DRVINFO_FIRMWARE = 68;
const SETTINGS_SIZE = 48;
const MAX_WORDS = 127;

/** PORT_… */
const portTypes: Record<number, string> = {
  0: 'twisted pair',
  1: 'AUI',
  2: 'media-independent',
  3: 'fibre',
  4: 'BNC',
  5: 'direct attach',
  239: 'none',
  255: 'other',
};
/** XCVR_… */
const transceivers: Record<number, string> = { 0: 'internal', 1: 'external' };
/** Bits among the link modes that name ports. */
const portBits: Record<number, string> = {
  7: 'twisted pair',
  8: 'AUI',
  9: 'media-independent',
  10: 'fibre',
  11: 'BNC',
  16: 'backplane',
};
/** ETHTOOL_LINK_MODE_…_BIT by number; empty for bits that are no modes. */
const modes: readonly string[] = [
  '10baseT/Half',
  '10baseT/Full',
  '100baseT/Half',
  '100baseT/Full',
  '1000baseT/Half',
  '1000baseT/Full',
  '',
  '',
  '',
  '',
  '',
  '',
  '10000baseT/Full',
  '',
  '',
  '2500baseX/Full',
  '',
  '1000baseKX/Full',
  '10000baseKX4/Full',
  '10000baseKR/Full',
  '',
  '20000baseMLD2/Full',
  '20000baseKR2/Full',
  '40000baseKR4/Full',
  '40000baseCR4/Full',
  '40000baseSR4/Full',
  '40000baseLR4/Full',
  '56000baseKR4/Full',
  '56000baseCR4/Full',
  '56000baseSR4/Full',
  '56000baseLR4/Full',
  '25000baseCR/Full',
  '25000baseKR/Full',
  '25000baseSR/Full',
  '50000baseCR2/Full',
  '50000baseKR2/Full',
  '100000baseKR4/Full',
  '100000baseSR4/Full',
  '100000baseCR4/Full',
  '100000baseLR4_ER4/Full',
  '50000baseSR2/Full',
  '1000baseX/Full',
  '10000baseCR/Full',
  '10000baseSR/Full',
  '10000baseLR/Full',
  '10000baseLRM/Full',
  '10000baseER/Full',
  '2500baseT/Full',
  '5000baseT/Full',
  '',
  '',
  '',
  '50000baseKR/Full',
  '50000baseSR/Full',
  '50000baseCR/Full',
  '50000baseLR_ER_FR/Full',
  '50000baseDR/Full',
  '100000baseKR2/Full',
  '100000baseSR2/Full',
  '100000baseCR2/Full',
  '100000baseLR2_ER2_FR2/Full',
  '100000baseDR2/Full',
  '200000baseKR4/Full',
  '200000baseSR4/Full',
  '200000baseLR4_ER4_FR4/Full',
  '200000baseDR4/Full',
  '200000baseCR4/Full',
  '100baseT1/Full',
  '1000baseT1/Full',
  '400000baseKR8/Full',
  '400000baseSR8/Full',
  '400000baseLR8_ER8_FR8/Full',
  '400000baseDR8/Full',
  '400000baseCR8/Full',
  '',
  '100000baseKR/Full',
  '100000baseSR/Full',
  '100000baseLR_ER_FR/Full',
  '100000baseCR/Full',
  '100000baseDR/Full',
  '200000baseKR2/Full',
  '200000baseSR2/Full',
  '200000baseLR2_ER2_FR2/Full',
  '200000baseDR2/Full',
  '200000baseCR2/Full',
  '400000baseKR4/Full',
  '400000baseSR4/Full',
  '400000baseLR4_ER4_FR4/Full',
  '400000baseDR4/Full',
  '400000baseCR4/Full',
  '100baseFX/Half',
  '100baseFX/Full',
  '10baseT1L/Full',
];

/** Puts a command's buffer, which begins with the command's number, to the driver of a link. */
function ask(fd: number, link: string, command: Buffer): void {
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write(link, 0, 15);
  request.writeBigUInt64LE(koffi.address(command), IFREQ_DATA);
  ioctl(fd, SIOCETHTOOL, request);
}

function linkSettings(fd: number, link: string): Buffer {
  // Asked with no room for masks, the driver answers with the number of words it needs, as a negative number.
  const probe = Buffer.alloc(SETTINGS_SIZE);
  probe.writeUInt32LE(ETHTOOL_GLINKSETTINGS, 0);
  ask(fd, link, probe);
  const settings = Buffer.alloc(SETTINGS_SIZE + 3 * 4 * MAX_WORDS);
  settings.writeUInt32LE(ETHTOOL_GLINKSETTINGS, 0);
  settings.writeInt8(-probe.readInt8(15), 15);
  ask(fd, link, settings);
  return settings;
}

function firmwareVersion(fd: number, link: string): string {
  const info = Buffer.alloc(DRVINFO_SIZE);
  info.writeUInt32LE(ETHTOOL_GDRVINFO, 0);
  ask(fd, link, info);
  const text = info.toString('latin1', DRVINFO_FIRMWARE, DRVINFO_FIRMWARE + 32).replace(/\0.*$/, '');
  return text === 'N/A' ? '' : text;
}

function supportedBits(settings: Buffer): number[] {
  const words = settings.readInt8(15);
  return Array.from({ length: words * 32 }, (_, bit) => bit).filter(
    (bit) => (settings.readUInt32LE(SETTINGS_SIZE + (bit >> 5) * 4) & (1 << (bit & 31))) !== 0,
  );
}

function readPort(fd: number, link: string): EthtoolPort {
  const settings = linkSettings(fd, link);
  const bits = supportedBits(settings);
  const ports = bits.flatMap((bit) => portBits[bit] ?? []);
  const supported = bits.flatMap((bit) => modes[bit] || []);
  const portType = portTypes[settings.readUInt8(9)];
  const transceiver = transceivers[settings.readUInt8(16)];
  const firmware = firmwareVersion(fd, link);
  return {
    auto_negotiation: settings.readUInt8(11) === 1,
    ...(portType === undefined ? {} : { port_type: portType }),
    ...(transceiver === undefined ? {} : { transceiver_type: transceiver }),
    ...(ports.length === 0 ? {} : { supported_ports: ports }),
    ...(supported.length === 0 ? {} : { supported_modes: supported }),
    ...(firmware === '' ? {} : { firmware_version: firmware }),
  };
}

/** Asks the driver of a link; undefined when it does not answer such questions. */
export function ethtoolPort(link: string): EthtoolPort | undefined {
  const fd = socketCall(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    return readPort(fd, link);
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP', 'ENODEV', 'EINVAL')) return undefined;
    throw error;
  } finally {
    closeSync(fd);
  }
}
