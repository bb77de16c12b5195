import { readFile, stat } from 'node:fs/promises';
import { ModelRepositoryError } from './model-manifest.js';

/** Byte order marks of UTF-16, which PowerShell writes. */
const utf16 = { le: Buffer.from([0xff, 0xfe]), be: Buffer.from([0xfe, 0xff]) };

/**
 * Reads a text file: UTF-8, or UTF-16 with a byte order mark. Byte order marks are dropped, and line ends are `\n`.
 * @param label the file name in problems, such as `iris/1/golden.jsonl`
 * @throws ModelRepositoryError if it is in another encoding
 */
export async function readText(file: string, label: string): Promise<string> {
  return decodedText(await readFile(file), label);
}

/** The text of a file that was read, as `readText` returns it. @throws ModelRepositoryError if it is in another encoding */
export function decodedText(bytes: Buffer, label: string): string {
  const isUtf16 = (mark: Buffer): boolean => bytes.subarray(0, 2).equals(mark);
  const encoding = isUtf16(utf16.le) ? 'utf-16le' : isUtf16(utf16.be) ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes).replaceAll('\r\n', '\n');
  } catch {
    throw new ModelRepositoryError([`${label} is not UTF-8; save it in that encoding`]);
  }
}

/** Maximum size of a card or checksum list in bytes. */
const maxTextBytes = 1024 * 1024;

/** Reads a card or a checksum list as `readText` does; null if the file does not exist or is too large to be one. */
export async function readTextIfAny(file: string, label: string): Promise<string | null> {
  const found = await stat(file).catch(() => null);
  if (found?.isFile() !== true || found.size > maxTextBytes) return null;
  return readText(file, label);
}

/**
 * Parses JSON. `NaN` and `Infinity`, which Python's `json.dump` writes, are read as null: they mean that there is no value.
 * @throws SyntaxError
 */
export function parseJson(source: string): unknown {
  try {
    return JSON.parse(source) as unknown;
  } catch (error) {
    const repaired = withoutNonFinite(source);
    if (repaired === source) throw error;
    return JSON.parse(repaired) as unknown;
  }
}

/** Parses JSON as `parseJson` does; integers that a number cannot hold exactly are strings of digits. @throws SyntaxError */
export function parseJsonExactly(source: string): unknown {
  const value = parseJson(source);
  if (!/\d{16}/.test(source)) return value;
  const keepDigits: Reviver = (_key, number, { source: digits }) => (isInexact(number, digits) ? digits : number);
  return JSON.parse(withoutNonFinite(source), keepDigits as Parameters<typeof JSON.parse>[1]) as unknown;
}

/** The parameter `context` is missing in the types of TypeScript. */
type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;

const isInexact = (number: unknown, digits: string | undefined): boolean =>
  typeof number === 'number' && digits !== undefined && /^-?\d+$/.test(digits) && BigInt(digits) !== BigInt(number);

function withoutNonFinite(source: string): string {
  return source.replaceAll(stringOrNonFinite, (token) => (token.startsWith('"') ? token : 'null'));
}

// An unterminated string extends to the end, so that the search does not start again inside it.
const stringOrNonFinite = /"(?:[^"\\]|\\[^]?)*(?:"|$)|-?(?:NaN|Infinity)/g;
