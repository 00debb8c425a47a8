export { bridge } from './bridge.ts';
export { bridgedNic } from './nic/bridged.ts';
export { p2pNic } from './nic/p2p.ts';
