import { isIPv6, type Socket } from 'node:net';

const plain = (address: string): string => address.replace(/^::ffff:/i, '');

/**
 * The line that tells a server behind a proxy who its client is (HAProxy's PROXY protocol, version 1).
 *
 * @param client - the accepted connection; one without addresses (Unix) is `UNKNOWN`
 */
export const proxyHeader = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string => {
  if (!remoteAddress || !localAddress) return 'PROXY UNKNOWN\r\n';
  const family = isIPv6(plain(remoteAddress)) ? 'TCP6' : 'TCP4';
  return `PROXY ${family} ${plain(remoteAddress)} ${plain(localAddress)} ${remotePort} ${localPort}\r\n`;
};
