import type { Guest } from './guest.ts';

/**
 * A DHCPv6 client (RFC 8415) that asks for one address with rapid commit and prints it. It is run by a Node of its own inside
 * the guest, since the scope of a link-local sender only means something there: so it may use nothing from outside of itself.
 *
 * @param duid - the client's identifier, in hexadecimal
 */
const client = (duid: string): void => {
  const [solicit, reply] = [1, 7];
  const codes = { clientId: 1, association: 3, address: 5, elapsed: 8, rapidCommit: 14 };
  const option = (code: number, hex: string): Buffer => {
    const header = Buffer.alloc(4);
    header.writeUInt16BE(code, 0);
    header.writeUInt16BE(hex.length / 2, 2);
    return Buffer.concat([header, Buffer.from(hex, 'hex')]);
  };
  const find = (data: Buffer, code: number): Buffer | undefined => {
    for (let at = 0; at + 4 <= data.length; at += 4 + data.readUInt16BE(at + 2)) {
      if (data.readUInt16BE(at) === code) return data.subarray(at + 4, at + 4 + data.readUInt16BE(at + 2));
    }
    return undefined;
  };
  const message = Buffer.concat([
    Buffer.of(solicit, 1, 2, 3),
    option(codes.clientId, duid),
    option(codes.rapidCommit, ''),
    option(codes.elapsed, '0000'),
    option(codes.association, '000000010000000000000000'),
  ]);
  const socket = process.getBuiltinModule('node:dgram').createSocket('udp6');
  socket.on('message', (answer) => {
    const association = answer[0] === reply ? find(answer.subarray(4), codes.association) : undefined;
    const address = association && find(association.subarray(12), codes.address)?.subarray(0, 16);
    if (!address) return;
    console.log(address.toString('hex').match(/.{4}/g)?.join(':'));
    process.exit(0);
  });
  const ask = (): void => socket.send(message, 547, 'ff02::1:2%eth0');
  socket.bind(546, '::', ask);
  setInterval(ask, 500);
  setTimeout(() => process.exit(1), 5000);
};

/**
 * Asks for an address on the guest's eth0, which must have a link-local one.
 *
 * @param hwaddr - the guest's, which goes into its DUID
 * @returns the address, in full
 * @throws CommandError when nobody answers in five seconds
 */
export const askDhcp6 = async (guest: Guest, hwaddr: string): Promise<string> => {
  const duid = `00030001${hwaddr.replaceAll(':', '')}`;
  return (await guest.run(process.execPath, '--eval', `(${client})('${duid}')`)).trim();
};
