import * as z from 'zod';
import { struct, text, textMap, texts } from './schema.ts';

/** Ports are comma lists of numbers and ranges; an empty `target_port` stands for the listen ports. */
export const networkForwardPort = struct({
  description: text,
  protocol: text,
  listen_port: text,
  target_port: text,
  target_address: text,
});
export type NetworkForwardPort = z.infer<typeof networkForwardPort>;

export const networkForwardPut = struct({ description: text, config: textMap, ports: z.array(networkForwardPort) });
export type NetworkForwardPut = z.infer<typeof networkForwardPut>;

export const networkForwardsPost = struct({ ...networkForwardPut.shape, listen_address: text });
export type NetworkForwardsPost = z.infer<typeof networkForwardsPost>;

export const networkForward = struct({ ...networkForwardPut.shape, listen_address: text, location: text });
export type NetworkForward = z.infer<typeof networkForward>;

export const networkLoadBalancerBackend = struct({
  name: text,
  description: text,
  target_port: text,
  target_address: text,
});
export type NetworkLoadBalancerBackend = z.infer<typeof networkLoadBalancerBackend>;

export const networkLoadBalancerPort = struct({
  description: text,
  protocol: text,
  listen_port: text,
  target_backend: texts,
});
export type NetworkLoadBalancerPort = z.infer<typeof networkLoadBalancerPort>;

export const networkLoadBalancerPut = struct({
  description: text,
  config: textMap,
  backends: z.array(networkLoadBalancerBackend),
  ports: z.array(networkLoadBalancerPort),
});
export type NetworkLoadBalancerPut = z.infer<typeof networkLoadBalancerPut>;

export const networkLoadBalancersPost = struct({ ...networkLoadBalancerPut.shape, listen_address: text });
export type NetworkLoadBalancersPost = z.infer<typeof networkLoadBalancersPost>;

export const networkLoadBalancer = struct({ ...networkLoadBalancerPut.shape, listen_address: text, location: text });
export type NetworkLoadBalancer = z.infer<typeof networkLoadBalancer>;
