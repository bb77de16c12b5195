import { hash } from 'node:crypto';

/** An image as sent by a caller, found by its header alone: nothing is decoded yet. */
export interface ImageFile {
  bytes: Buffer;
  format: 'jpeg' | 'png';
  width: number;
  height: number;
}

/** The limits of an image. */
export interface ImageLimits {
  max_bytes: number;
  max_pixels: number;
}

/** A value that is not an image of an accepted form. The message completes "image ...". */
export class InvalidImage extends Error {}

/** Characters of the base64 of this many bytes, and of the prefix of a data URL. */
export const base64Length = (bytes: number): number => 4 * Math.ceil(bytes / 3) + maxPrefix;

const maxPrefix = 40;

/**
 * Reads base64 of a JPEG or PNG file, also as a data URL. The format is that of the bytes, whatever the data URL names.
 * @throws InvalidImage for other text, other formats, and images above the limits
 */
export function readImage(text: string, { max_bytes: maxBytes, max_pixels: maxPixels }: ImageLimits): ImageFile {
  const base64 = /^data:image\/[a-z+.-]{1,20};base64,/.test(text.slice(0, maxPrefix))
    ? text.slice(text.indexOf(',') + 1)
    : text;
  if (base64 === '' || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw new InvalidImage('must be a JPEG or PNG file in base64');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length > maxBytes) throw new InvalidImage(`has ${bytes.length} bytes; the maximum is ${maxBytes}`);
  const found = pngSize(bytes) ?? jpegSize(bytes);
  if (!found) throw new InvalidImage('must be a JPEG or PNG file; these bytes are neither, or end in the header');
  const { width, height } = found;
  if (width < 1 || height < 1) throw new InvalidImage('has no pixels');
  if (width * height > maxPixels)
    throw new InvalidImage(`has ${width} x ${height} pixels; the maximum is ${maxPixels}; scale it down`);
  return { bytes, ...found };
}

/** What the history and the response have of an image instead of its bytes. */
export function describeImage({ bytes, format, width, height }: ImageFile): string {
  return `image/${format}; ${width}x${height}; ${bytes.length} bytes; sha256:${hash('sha256', bytes, 'hex')}`;
}

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** PNG, section 11.2.2: IHDR is the first chunk. */
function pngSize(bytes: Buffer): Omit<ImageFile, 'bytes'> | null {
  if (bytes.length < 24 || !bytes.subarray(0, 8).equals(pngSignature)) return null;
  if (bytes.toString('latin1', 12, 16) !== 'IHDR') return null;
  return { format: 'png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

/** Markers of JPEG without a length: TEM, RST0 to RST7, SOI. */
const hasNoLength = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
/** SOF0 to SOF15 without DHT, JPG and DAC. */
const isStartOfFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** ITU T.81, annex B: segments up to the start of frame. */
function jpegSize(bytes: Buffer): Omit<ImageFile, 'bytes'> | null {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xff_d8) return null;
  let at = 2;
  while (at + 9 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes.readUInt8(at + 1);
    if (marker === 0xff) at += 1;
    else if (hasNoLength(marker)) at += 2;
    else if (isStartOfFrame(marker))
      return { format: 'jpeg', height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    else at += 2 + Math.max(2, bytes.readUInt16BE(at + 2));
  }
  return null;
}
