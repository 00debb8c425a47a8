export { dir } from './driver.ts';
