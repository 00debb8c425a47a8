/** How many times longer than on the host things may take: code in the lab VM is emulated where the host has no KVM. */
export const patience = process.env.LXD_TS_LAB === '1' ? 15 : 1;
