const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The two digits of each 12 bits. */
const pairs = Array.from({ length: 4096 }, (_none, bits) => `${digits.charAt(bits >> 6)}${digits.charAt(bits & 63)}`);

/** A buffer takes longer than encoding a text of this length, and every row of a response has an ID. */
const shortLength = 48;

/** The base64url of a text in UTF-8, without padding. */
export function base64urlOf(text: string): string {
  const { length } = text;
  if (length > shortLength) return Buffer.from(text).toString('base64url');
  let encoded = '';
  let all = 0;
  let index = 0;
  for (; index + 2 < length; index += 3) {
    const [first, second, third] = [text.charCodeAt(index), text.charCodeAt(index + 1), text.charCodeAt(index + 2)];
    all |= first | second | third;
    const bits = (first << 16) | (second << 8) | third;
    encoded += (pairs[(bits >> 12) & 4095] ?? '') + (pairs[bits & 4095] ?? '');
  }
  if (length - index === 1) {
    const first = text.charCodeAt(index);
    all |= first;
    encoded += pairs[(first << 4) & 4095] ?? '';
  } else if (length - index === 2) {
    const [first, second] = [text.charCodeAt(index), text.charCodeAt(index + 1)];
    all |= first | second;
    const bits = (first << 10) | (second << 2);
    encoded += (pairs[(bits >> 6) & 4095] ?? '') + digits.charAt(bits & 63);
  }
  // Other characters have several bytes.
  return all < 128 ? encoded : Buffer.from(text).toString('base64url');
}
