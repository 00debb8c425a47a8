export * from './errors.ts';
export * from './expiry.ts';
export * from './extensions.ts';
export * from './filter.ts';
export * from './status.ts';
export * from './time.ts';
export * from './units.ts';
