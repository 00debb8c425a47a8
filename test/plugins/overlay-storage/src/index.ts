import { definePlugin } from '@lxd-ts/driver-kit';
import { overlay } from './driver.ts';

export default definePlugin({ name: 'lxd-ts-overlay-storage', contract: 1, drivers: [overlay] });
