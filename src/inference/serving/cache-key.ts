import { createHash, hash } from 'node:crypto';
import type { EncodedRow, Scalar } from '../signature/types.js';
import type { EncodedTensor } from '../signature/base64-tensor.js';

/** What a value begins with, so that values of different kinds have different bytes. */
const kinds = { missing: 0, number: 1, false: 2, true: 3, text: 4, tensor: 5 };

/** The form of the bytes. A release that changes it must change this, or it would share entries of Redis with the one before. */
const format = 2;

/** Reused: keys are computed one after the other. It grows to the longest row so far, up to this size. */
const maxReusedBytes = 64 * 1024;
let bytes: Buffer = Buffer.allocUnsafeSlow(1024);
let length = 0;
/** Views of the bytes by their length. */
const heads = new Array<Buffer | undefined>(1024);
/** The fingerprint at the beginning of the bytes. */
let begun = '';

/**
 * The key of a result: SHA-256 of all that it depends on, in base64url, which is a third shorter than hexadecimal. The row is encoded in the order of the signature, so that rows that
 * differ only in the order of fields, or in absent versus null, share a key. Each value has its kind, and its length unless that is
 * fixed, so that the bytes of different rows differ.
 */
export function cacheKey(fingerprint: string, row: EncodedRow): string {
  begin(fingerprint);
  let large: NodeJS.ArrayBufferView[] | null = null;
  for (const value of row) {
    if (typeof value === 'object' && value !== null) {
      const data = addTensor(value);
      if (data) (large ??= []).push(data);
    } else addScalar(value);
  }
  const head = headOf(length);
  const key = large ? digestOf(head, large) : hash('sha256', head, 'base64url');
  if (bytes.length > maxReusedBytes) replaceBytes(Buffer.allocUnsafeSlow(1024));
  return key;
}

/** The bytes that are written. Rows of a call have few lengths, and a view takes more memory than a key. */
function headOf(end: number): Buffer {
  if (end >= heads.length) return bytes.subarray(0, end);
  return (heads[end] ??= bytes.subarray(0, end));
}

function replaceBytes(replacement: Buffer): void {
  bytes = replacement;
  begun = '';
  heads.fill(undefined);
}

/** The rows of a call have the same beginning. */
function begin(fingerprint: string): void {
  length = 1 + fingerprint.length;
  if (begun === fingerprint) return;
  length = 0;
  reserve(1 + fingerprint.length);
  bytes[length++] = format;
  length += bytes.write(fingerprint, length, 'latin1');
  begun = fingerprint;
}

/** The sizes in the head say where each tensor ends. */
function digestOf(head: Buffer, tensors: readonly NodeJS.ArrayBufferView[]): string {
  const digest = createHash('sha256').update(head);
  for (const tensor of tensors) digest.update(tensor);
  return digest.digest('base64url');
}

function addScalar(value: Scalar | null): void {
  if (typeof value === 'string') {
    addText(value);
    return;
  }
  reserve(9);
  if (typeof value === 'number') {
    bytes[length] = kinds.number;
    bytes.writeDoubleLE(value, length + 1);
    length += 9;
  } else {
    bytes[length++] = value === null ? kinds.missing : value ? kinds.true : kinds.false;
  }
}

/** In UTF-16, as the string has it: no two strings have the same bytes. */
function addText(text: string): void {
  reserve(5 + 2 * text.length);
  bytes[length] = kinds.text;
  bytes.writeUInt32LE(text.length, length + 1);
  length += 5;
  if (text.length > 32) {
    length += bytes.write(text, length, 'utf16le');
    return;
  }
  // Cheaper than a call into Node for a few characters.
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    bytes[length++] = unit & 0xff;
    bytes[length++] = unit >> 8;
  }
}

/** Adds the shape of a tensor. @returns its data, which is hashed after the other values; null if it has been added */
function addTensor({ shape, data }: EncodedTensor): NodeJS.ArrayBufferView | null {
  reserve(2 + 4 * shape.length);
  bytes[length] = kinds.tensor;
  bytes[length + 1] = shape.length;
  length += 2;
  for (const size of shape) length = bytes.writeUInt32LE(size, length);
  if (!Array.isArray(data)) return data;
  for (const text of data) addText(text);
  return null;
}

function reserve(more: number): void {
  if (length + more <= bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(2 * (length + more));
  bytes.copy(larger, 0, 0, length);
  replaceBytes(larger);
}
