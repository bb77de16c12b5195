/** The part of the protobuf wire format that is needed to walk a message without its schema. */

/** Wire type of embedded messages, strings and bytes. */
export const lengthDelimited = 2;

/** Bytes of the fixed-size wire types: 64 and 32 bits. */
const fixedSizes: Partial<Record<number, number>> = { 1: 8, 5: 4 };

const maxTagBytes = 4;
const maxLengthBytes = 5;
const maxVarintBytes = 10;

/** Steps through the fields of a message without allocating: a tree ensemble has millions of them. */
export class FieldReader {
  /** The number of the current field. */
  number = 0;
  wireType = 0;
  /** Where the current field starts, with its tag, and where it ends. */
  start = 0;
  end = 0;
  #valueStart = 0;
  readonly #message: Buffer;

  constructor(message: Buffer) {
    this.#message = message;
  }

  /** Moves to the next field; false at the end. @throws Error if the bytes are no message */
  next(): boolean {
    this.start = this.end;
    if (this.start >= this.#message.length) return false;
    const tag = this.#varint(this.start, maxTagBytes);
    this.wireType = tag & 7;
    this.number = tag >>> 3;
    if (this.wireType === lengthDelimited) {
      const length = this.#varint(this.end, maxLengthBytes);
      this.#moveTo(this.end + length, this.end);
    } else if (this.wireType === 0) {
      this.#varint(this.end, maxVarintBytes);
    } else {
      const size = fixedSizes[this.wireType];
      if (size === undefined) throw malformed();
      this.#moveTo(this.end + size, this.end);
    }
    return true;
  }

  /** The content of a length-delimited field, as a view. */
  get bytes(): Buffer {
    return this.#message.subarray(this.#valueStart, this.end);
  }

  /** Whether a varint field is 0. */
  get isZero(): boolean {
    return this.#message.subarray(this.#valueStart, this.end).every((byte) => (byte & 127) === 0);
  }

  #moveTo(end: number, valueStart: number): void {
    if (end > this.#message.length) throw malformed();
    this.#valueStart = valueStart;
    this.end = end;
  }

  /** The varint at a position, and moves `end` behind it. Values above 2^53 are inexact. */
  #varint(position: number, maxBytes: number): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < maxBytes; index += 1) {
      const byte = this.#message[position + index];
      if (byte === undefined) break;
      value += (byte & 127) * factor;
      if (byte < 128) {
        this.#moveTo(position + index + 1, position);
        return value;
      }
      factor *= 128;
    }
    throw malformed();
  }
}

/** The integers of a varint field or of a packed one, as 64 bits with sign. @throws Error if the bytes end within one */
export function varintsIn(bytes: Buffer): bigint[] {
  const integers: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte >= 128 && shift <= 63n) continue;
    integers.push(BigInt.asIntN(64, value));
    value = shift = 0n;
  }
  if (shift > 0n) throw malformed();
  return integers;
}

/** The tag and length of a length-delimited field, which its content follows. */
export function fieldHeader(number: number, length: number): Buffer {
  return Buffer.from([...varint(number * 8 + lengthDelimited), ...varint(length)]);
}

/** A length-delimited field. */
export const bytesField = (number: number, content: Buffer): Buffer =>
  Buffer.concat([fieldHeader(number, content.length), content]);

/** The text of a field; empty if there is none. */
export function textIn(message: Buffer, number: number): string {
  const fields = new FieldReader(message);
  while (fields.next())
    if (fields.number === number && fields.wireType === lengthDelimited) return fields.bytes.toString();
  return '';
}

/** A varint field. */
export const intField = (number: number, value: number): Buffer =>
  Buffer.from([...varint(number * 8), ...varint(value)]);

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** The error of bytes that are no ONNX graph. */
export const malformed = (): Error => new Error('it is not a valid ONNX graph');
