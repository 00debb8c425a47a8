/** As much of the protocol buffers wire format (protobuf.dev/programming-guides/encoding) as migration messages need. */
import { badRequest } from '@lxd-ts/driver-kit';

/** One field of a message as it stands on the wire: a number, or bytes (a text, or a message in it). */
export type Field = { readonly number: number } & ({ readonly value: bigint } | { readonly bytes: Buffer });

const varint = 0;
const fixed64 = 1;
const delimited = 2;
const fixed32 = 5;

const encodeVarint = (value: bigint): Buffer => {
  const bytes: number[] = [];
  // Negative numbers are sent in two's complement of 64 bits.
  let rest = BigInt.asUintN(64, value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
};

const key = (number: number, wireType: number): Buffer => encodeVarint(BigInt((number << 3) | wireType));

/** A number field. */
export const numberField = (number: number, value: bigint | number | boolean): Buffer =>
  Buffer.concat([key(number, varint), encodeVarint(BigInt(value))]);

/** A text or message field. */
export const bytesField = (number: number, content: string | Buffer): Buffer => {
  const bytes = Buffer.from(content);
  return Buffer.concat([key(number, delimited), encodeVarint(BigInt(bytes.length)), bytes]);
};

/** Reads the fields of a message in their order. @throws LxdError bad-request when it is none */
export const decodeFields = (message: Buffer): Field[] => {
  let at = 0;
  const take = (length: number): Buffer => {
    if (length > message.length - at) throw badRequest('A migration message ends too early');
    at += length;
    return message.subarray(at - length, at);
  };
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const [byte = 0] = take(1);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw badRequest('A migration message holds a number that is too long');
  };
  const fields: Field[] = [];
  while (at < message.length) {
    const tag = Number(readVarint());
    const number = tag >>> 3;
    const wireType = tag & 7;
    if (wireType === varint) fields.push({ number, value: readVarint() });
    else if (wireType === delimited) fields.push({ number, bytes: take(Number(readVarint())) });
    else if (wireType === fixed64) take(8);
    else if (wireType === fixed32) take(4);
    else throw badRequest(`A migration message holds a field of the unknown kind ${wireType}`);
  }
  return fields;
};

/** The last number of a field; undefined when it is absent. */
export const numberOf = (fields: readonly Field[], number: number): bigint | undefined => {
  const found = fields.findLast((field) => field.number === number);
  return found && 'value' in found ? found.value : undefined;
};

/** All texts or messages of a field. */
export const bytesOf = (fields: readonly Field[], number: number): Buffer[] =>
  fields.flatMap((field) => (field.number === number && 'bytes' in field ? [field.bytes] : []));

export const textsOf = (fields: readonly Field[], number: number): string[] =>
  bytesOf(fields, number).map((bytes) => bytes.toString('utf8'));

export const isSet = (fields: readonly Field[], number: number): boolean => (numberOf(fields, number) ?? 0n) !== 0n;
