import { expect, it } from 'vitest';
import { hwaddrOfDuid, networkLeases, parseLeases, withoutLeases } from './leases.ts';
import { readSettings } from './settings.ts';

const now = 1_700_000_000;
const file = `${now + 60} 00:16:3e:00:00:01 10.1.1.5 c1 01:00:16:3e:00:00:01
${now - 60} 00:16:3e:00:00:02 10.1.1.6 late 01:00:16:3e:00:00:02
0 00:16:3E:00:00:03 10.1.1.7 * *
duid 00:01:00:01:32:94:f1:89:00:16:3e:bc:c9:42
${now + 60} 4000000 fd42::5 c1 00:03:00:01:00:16:3e:00:00:01
${now + 60} 4000001 fd42::6 c2 00:01:00:01:2a:2b:2c:2d:00:16:3e:00:00:02
${now + 60} 4000002 fd42::7 c3 00:04:aa:bb:cc:dd:00:11:22:33:44:55:66:77:88:99:aa:bb
`;

it('[06.60] dnsmasq’s lease file is read; what has ended is left out', () => {
  const lease = (hostname: string, hwaddr: string, address: string) => ({ hostname, hwaddr, address, type: 'dynamic' });
  expect(parseLeases(file, now)).toEqual([
    lease('c1', '00:16:3e:00:00:01', '10.1.1.5'),
    lease('', '00:16:3e:00:00:03', '10.1.1.7'),
    lease('c1', '00:16:3e:00:00:01', 'fd42::5'),
    lease('c2', '00:16:3e:00:00:02', 'fd42::6'),
    lease('c3', '', 'fd42::7'),
  ]);
  expect(parseLeases('', now)).toEqual([]);
});

it('the MAC address of a DHCPv6 client is in its identifier, when that is of such a kind', () => {
  expect(hwaddrOfDuid('00:03:00:01:00:16:3E:00:00:01')).toBe('00:16:3e:00:00:01');
  expect(hwaddrOfDuid('00:02:00:00:ab:11:00:16:3e:00:00:01')).toBeUndefined();
});

it('leases of some NICs can be taken out of the file', () => {
  const rest = withoutLeases(file, new Set(['00:16:3e:00:00:01', '00:16:3e:00:00:03']));
  expect(rest?.split('\n').map((line) => line.split(' ')[2])).toEqual([
    '10.1.1.6',
    undefined,
    'fd42::6',
    'fd42::7',
    undefined,
  ]);
  expect(withoutLeases(file, new Set(['00:16:3e:00:00:99']))).toBeUndefined();
});

it('[06.60] gateways come first, then fixed addresses and those of SLAAC, then the rest; none twice', () => {
  const config = { 'ipv4.address': '10.1.1.1/24', 'ipv6.address': 'fd42::1/64' };
  const reservations = [
    { instance: 'c1', project: 'default', device: 'eth0', hwaddr: '00:16:3e:00:00:01', ipv4: '10.1.1.5' },
    { instance: 'c2', project: 'default', device: 'eth0', hwaddr: '00:16:3e:00:00:02', ipv6: 'fd42::6' },
  ];
  const text = `0 00:16:3e:00:00:01 10.1.1.5 c1 *\n0 00:16:3e:00:00:02 10.1.1.9 c2 *\n`;
  expect(networkLeases(readSettings('br0', config), reservations, text)).toEqual([
    { hostname: 'br0.gw', hwaddr: '', address: '10.1.1.1', type: 'gateway' },
    { hostname: 'br0.gw', hwaddr: '', address: 'fd42::1', type: 'gateway' },
    { hostname: 'c1', hwaddr: '00:16:3e:00:00:01', address: '10.1.1.5', type: 'static' },
    { hostname: 'c1', hwaddr: '00:16:3e:00:00:01', address: 'fd42::216:3eff:fe00:1', type: 'dynamic' },
    { hostname: 'c2', hwaddr: '00:16:3e:00:00:02', address: 'fd42::6', type: 'static' },
    { hostname: 'c2', hwaddr: '00:16:3e:00:00:02', address: '10.1.1.9', type: 'dynamic' },
  ]);
});
