import sharp, { type Sharp } from 'sharp';
import { InvalidImage, type ImageFile } from './image-file.js';
import { inkOf } from './ink.js';
import type { ImageSettings } from './settings.js';

// libvips decodes in its own threads; one per image is enough, and images of callers are not worth caching.
sharp.concurrency(1);
sharp.cache(false);
// Other decoders are never reached, whatever the bytes look like.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer'] });

/** The size and order of the elements that a graph takes. */
export interface ImageShape {
  width: number;
  height: number;
  layout: 'nchw' | 'nhwc' | 'nhw';
}

/** A decode that takes longer is ended. */
const decodeTimeoutSeconds = 10;
/** Strokes are found in images scaled to fit into this square: on the event loop, in less than a millisecond. */
const inkSide = 96;

/**
 * The elements of one image for a graph: `(pixel * scale - mean) / std` in the order of the layout. Decodes outside of the event loop.
 * @throws InvalidImage if the file is damaged
 */
export async function imageTensor(file: ImageFile, settings: ImageSettings, shape: ImageShape): Promise<Float32Array> {
  if (settings.color === 'ink') return inkTensor(file, settings, shape);
  const pixels = await resized(opened(file), settings, shape);
  const image = settings.color === 'gray' ? { data: grayOf(pixels), channels: 1 } : pixels;
  return normalized(image, settings, shape);
}

async function inkTensor(file: ImageFile, { scale = 1 }: ImageSettings, { width, height }: ImageShape) {
  const small = opened(file).resize(inkSide, inkSide, { fit: 'inside', withoutEnlargement: true });
  const pixels = await pixelsOf(small);
  const gray = { pixels: grayOf(pixels), width: pixels.width, height: pixels.height };
  return inkOf(gray, width, height).map((share) => share * scale);
}

/** Upright by its EXIF orientation, on white where it is transparent. */
function opened({ bytes, width, height }: ImageFile): Sharp {
  const options = { limitInputPixels: width * height, failOn: 'error', pages: 1 } as const;
  return sharp(bytes, options).timeout({ seconds: decodeTimeoutSeconds }).autoOrient().flatten({ background: '#fff' });
}

async function resized(
  image: Sharp,
  { resize_shorter: shorter, fit }: ImageSettings,
  { width, height }: ImageShape,
): Promise<Pixels> {
  const options = { kernel: 'linear', fastShrinkOnLoad: false } as const;
  if (shorter === undefined) return pixelsOf(image.resize(width, height, { ...options, fit, background: '#000' }));
  const side = Math.max(shorter, width, height);
  return centreOf(await pixelsOf(image.resize(side, side, { ...options, fit: 'outside' })), width, height);
}

function centreOf(image: Pixels, width: number, height: number): Pixels {
  const [left, top] = [(image.width - width) >> 1, (image.height - height) >> 1];
  const data = new Uint8Array(width * height * image.channels);
  for (let y = 0; y < height; y += 1) {
    const start = ((top + y) * image.width + left) * image.channels;
    data.set(image.data.subarray(start, start + width * image.channels), y * width * image.channels);
  }
  return { data, width, height, channels: image.channels };
}

/** Pixels of 8 bits per channel, row by row. */
interface Pixels {
  data: Uint8Array;
  channels: number;
  width: number;
  height: number;
}

async function pixelsOf(image: Sharp): Promise<Pixels> {
  try {
    const { data, info } = await image
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { data, channels: info.channels, width: info.width, height: info.height };
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
    throw new InvalidImage(`cannot be decoded: ${reason.slice(0, 100)}`);
  }
}

/** Luminance of ITU-R 601, rounded as Pillow does, so that a model gets the gray values of its training. */
function grayOf({ data, channels }: Pixels): Uint8Array {
  if (channels < 3) return data;
  const gray = new Uint8Array(data.length / channels);
  for (let pixel = 0, at = 0; pixel < gray.length; pixel += 1, at += channels)
    gray[pixel] =
      (19_595 * (data[at] ?? 0) + 38_470 * (data[at + 1] ?? 0) + 7_471 * (data[at + 2] ?? 0) + 32_768) >> 16;
  return gray;
}

function normalized(
  { data, channels: given }: Pick<Pixels, 'data' | 'channels'>,
  { scale = 1 / 255, mean, std, color }: ImageSettings,
  { layout, width, height }: ImageShape,
): Float32Array {
  const [size, channels] = [width * height, color === 'rgb' ? 3 : 1];
  const tensor = new Float32Array(size * channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const [average, deviation] = [ofChannel(mean, channel), ofChannel(std, channel)];
    // A gray image has one channel, which stands for all three.
    const source = Math.min(channel, given - 1);
    for (let pixel = 0; pixel < size; pixel += 1) {
      const place = layout === 'nhwc' ? pixel * channels + channel : channel * size + pixel;
      tensor[place] = ((data[pixel * given + source] ?? 0) * scale - average) / deviation;
    }
  }
  return tensor;
}

const ofChannel = (values: number | number[], channel: number): number =>
  typeof values === 'number' ? values : (values[channel] ?? 0);
