import { PCI_DEVICES } from './pci.ts';
import { linkName, listNames, readNumber } from './sysfs.ts';

/** Virtual functions of a card (SR-IOV): how many there are and can be, and each as a card of its own. */
export interface Sriov<Card> {
  current_vfs: number;
  maximum_vfs: number;
  vfs: Card[];
}

/** Undefined when the card has no such functions. */
export function readSriov<Card>(address: string, readCard: (address: string) => Card): Sriov<Card> | undefined {
  const maximum = readNumber(PCI_DEVICES, address, 'sriov_totalvfs');
  if (maximum === undefined) return undefined;
  const functions = listNames(PCI_DEVICES, address)
    .filter((name) => /^virtfn\d+$/.test(name))
    .flatMap((name) => linkName(PCI_DEVICES, address, name) ?? []);
  return {
    current_vfs: readNumber(PCI_DEVICES, address, 'sriov_numvfs') ?? functions.length,
    maximum_vfs: maximum,
    vfs: functions.map(readCard),
  };
}

/** Says whether a PCI device is itself a virtual function. */
export function isVirtualFunction(address: string): boolean {
  return linkName(PCI_DEVICES, address, 'physfn') !== undefined;
}
