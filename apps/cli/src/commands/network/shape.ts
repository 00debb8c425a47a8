import { config, joined, type Struct, strings } from '../../yaml/shape.ts';

export const networkPut: Struct = { fields: { config, description: 'string' } };
export const networkShape: Struct = joined(networkPut, {
  fields: { name: 'string', type: 'string', used_by: strings, managed: 'bool', status: 'string', locations: strings },
});

export const leaseShape: Struct = {
  fields: { hostname: 'string', hwaddr: 'string', address: 'string', type: 'string', location: 'string' },
};

export const aclRule: Struct = {
  fields: {
    action: 'string',
    source: 'string',
    destination: 'string',
    protocol: 'string',
    source_port: 'string',
    destination_port: 'string',
    icmp_type: 'string',
    icmp_code: 'string',
    description: 'string',
    state: 'string',
  },
  omitEmpty: [
    'source',
    'destination',
    'protocol',
    'source_port',
    'destination_port',
    'icmp_type',
    'icmp_code',
    'description',
  ],
};
const rules = { list: aclRule };
export const aclPut: Struct = { fields: { description: 'string', egress: rules, ingress: rules, config } };
export const aclShape: Struct = joined({ fields: { name: 'string' } }, aclPut, { fields: { used_by: strings } });

const forwardPort: Struct = {
  fields: {
    description: 'string',
    protocol: 'string',
    listen_port: 'string',
    target_port: 'string',
    target_address: 'string',
  },
};
export const forwardPut: Struct = { fields: { description: 'string', config, ports: { list: forwardPort } } };
export const forwardShape: Struct = joined(forwardPut, { fields: { listen_address: 'string', location: 'string' } });

const backend: Struct = {
  fields: { name: 'string', description: 'string', target_port: 'string', target_address: 'string' },
};
const balancerPort: Struct = {
  fields: { description: 'string', protocol: 'string', listen_port: 'string', target_backend: strings },
};
export const balancerPut: Struct = {
  fields: { description: 'string', config, backends: { list: backend }, ports: { list: balancerPort } },
};
export const balancerShape: Struct = joined(balancerPut, { fields: { listen_address: 'string', location: 'string' } });

export const peerPut: Struct = { fields: { description: 'string', config } };
export const peerShape: Struct = joined(peerPut, {
  fields: {
    name: 'string',
    target_project: 'string',
    target_network: 'string',
    status: 'string',
    used_by: strings,
  },
});

export const zonePut: Struct = { fields: { description: 'string', config } };
export const zoneShape: Struct = joined(zonePut, { fields: { name: 'string', used_by: strings } });

const recordEntry: Struct = { fields: { type: 'string', ttl: 'number', value: 'string' }, omitEmpty: ['ttl'] };
export const recordPut: Struct = { fields: { description: 'string', entries: { list: recordEntry }, config } };
export const recordShape: Struct = joined(recordPut, { fields: { name: 'string' } });
