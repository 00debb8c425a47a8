import * as z from 'zod';
import { omittable, struct, text, textMap, texts } from './schema.ts';

/** One rule; fields without a value are left out on the wire. */
export const networkACLRule = struct({
  action: text,
  source: omittable(text),
  destination: omittable(text),
  protocol: omittable(text),
  source_port: omittable(text),
  destination_port: omittable(text),
  icmp_type: omittable(text),
  icmp_code: omittable(text),
  description: omittable(text),
  state: text,
});
export type NetworkACLRule = z.infer<typeof networkACLRule>;

export const networkACLPut = struct({
  description: text,
  egress: z.array(networkACLRule),
  ingress: z.array(networkACLRule),
  config: textMap,
});
export type NetworkACLPut = z.infer<typeof networkACLPut>;

export const networkACLsPost = struct({ name: text, ...networkACLPut.shape });
export type NetworkACLsPost = z.infer<typeof networkACLsPost>;

/** A rename. */
export const networkACLPost = struct({ name: text });
export type NetworkACLPost = z.infer<typeof networkACLPost>;

export const networkACL = struct({ name: text, ...networkACLPut.shape, used_by: texts });
export type NetworkACL = z.infer<typeof networkACL>;
