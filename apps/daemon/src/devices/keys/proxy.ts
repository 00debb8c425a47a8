import { isIPv4, isIPv6 } from 'node:net';
import { type ConfigKey, must } from '@lxd-ts/driver-kit';
import { largestId, ownerKeys } from './ids.ts';

const isPort = (text: string): boolean => /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;

const isPortSpan = (text: string): boolean => {
  const [first = '', last = first, ...more] = text.split('-');
  return more.length === 0 && isPort(first) && isPort(last) && Number(first) <= Number(last);
};

/** `<type>:<addr>:<port>[-<port>][,<port>]` (spec 03.347, 03.350, 03.352). */
const isEndpoint = must((value) => {
  if (/^unix:(?:\/|@.)/.test(value)) return true;
  const [, bracketed, plain, ports = ''] = /^(?:tcp|udp):(?:\[([^\]]*)\]|([^:]*)):(.*)$/.exec(value) ?? [];
  const isHost = bracketed === undefined ? isIPv4(plain ?? '') : isIPv6(bracketed);
  return isHost && ports.split(',').every(isPortSpan);
}, 'must be of the form tcp:10.0.0.1:80, udp:[::1]:53-60,70, unix:/path or unix:@name');

const bool = (key: string, description: string): ConfigKey => ({ key, type: 'bool', default: 'false', description });

const droppedTo = (key: string, description: string): ConfigKey => ({
  key,
  type: 'integer',
  default: '0',
  min: 0,
  max: largestId,
  description,
});

/** Keys of `proxy` devices (spec 03 §32). */
export const proxyKeys: readonly ConfigKey[] = [
  { key: 'listen', type: 'string', condition: 'required', description: 'Where to listen', check: isEndpoint },
  { key: 'connect', type: 'string', condition: 'required', description: 'Where to connect to', check: isEndpoint },
  { key: 'bind', type: 'string', default: 'host', values: ['host', 'instance'], description: 'Which side listens' },
  bool('nat', 'Forward by NAT; needs a static address on the NIC of the instance'),
  bool('proxy_protocol', 'Send a HAProxy PROXY header with the address of the client'),
  ...ownerKeys('the listening Unix socket', '0644'),
  droppedTo('security.uid', 'UID to drop privileges to'),
  droppedTo('security.gid', 'GID to drop privileges to'),
];
