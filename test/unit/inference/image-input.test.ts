import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { InvalidImage, readImage } from '../../../src/inference/preprocessing/image-file.js';
import { imageTensor, type ImageShape } from '../../../src/inference/preprocessing/image-tensor.js';
import { inkOf } from '../../../src/inference/preprocessing/ink.js';
import { imageSettings, type ImageSettings } from '../../../src/inference/preprocessing/settings.js';

const settings = (more: Record<string, unknown> = {}): ImageSettings => imageSettings.parse({ kind: 'image', ...more });

/** Four pixels: red, green, blue, and a gray. */
const pixels = Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 100, 150, 200);
const image = () => sharp(pixels, { raw: { width: 2, height: 2, channels: 3 } });
const png = async (): Promise<string> => (await image().png().toBuffer()).toString('base64');

const shape = (layout: ImageShape['layout'], width = 2, height = 2): ImageShape => ({ layout, width, height });

async function tensorOf(base64: string, of: ImageShape, more: Record<string, unknown> = {}): Promise<number[]> {
  const chosen = settings(more);
  return Array.from(await imageTensor(readImage(base64, chosen), chosen, of));
}

const problemOf = (base64: string, more: Record<string, unknown> = {}): string => {
  try {
    readImage(base64, settings(more));
    return 'none';
  } catch (error) {
    if (error instanceof InvalidImage) return error.message;
    throw error;
  }
};

describe('images as tensors', () => {
  it('have the order of the layout and the values (pixel * scale - mean) / std', async () => {
    expect(await tensorOf(await png(), shape('nchw'), { scale: 1 })).toEqual([
      255, 0, 0, 100, 0, 255, 0, 150, 0, 0, 255, 200,
    ]);
    expect(await tensorOf(await png(), shape('nhwc'), { scale: 1 })).toEqual([...pixels]);
    const normal = await tensorOf(await png(), shape('nhwc'), { mean: [0.5, 0.25, 0], std: [0.5, 1, 2] });
    [1, -0.25, 0, -1, 0.75, 0, -1, -0.25, 0.5].forEach((value, index) => expect(normal[index]).toBeCloseTo(value, 6));
  });

  it('have the gray values of ITU-R 601, as Pillow computes them', async () => {
    expect(await tensorOf(await png(), shape('nhw'), { color: 'gray', scale: 1 })).toEqual([76, 150, 29, 141]);
  });

  it('are made of gray, transparent and rotated files too', async () => {
    const gray = await sharp(Uint8Array.of(7), { raw: { width: 1, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    expect(await tensorOf(gray.toString('base64'), shape('nchw', 1, 1), { scale: 1 })).toEqual([7, 7, 7]);
    const clear = await sharp({
      create: { width: 1, height: 1, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    })
      .png()
      .toBuffer();
    expect(await tensorOf(clear.toString('base64'), shape('nchw', 1, 1), { scale: 1 })).toEqual([255, 255, 255]);
    // Orientation 6: the camera was turned; the first row is the right column.
    const turned = await image()
      .resize(16, 32, { kernel: 'nearest', fit: 'fill' })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const upright = await tensorOf(turned.toString('base64'), shape('nhw', 32, 16), { color: 'gray', scale: 1 });
    // Red was on the left above, so it is on the right above now.
    expect(upright[3 * 32 + 28]).toBeCloseTo(76, -1);
  });

  it('are resized, or resized by the shorter side and cropped at the centre', async () => {
    const wide = await sharp({ create: { width: 40, height: 10, channels: 3, background: '#000' } })
      .composite([{ input: { create: { width: 10, height: 10, channels: 3, background: '#fff' } }, left: 15, top: 0 }])
      .png()
      .toBuffer();
    const base64 = wide.toString('base64');
    const cropped = await tensorOf(base64, shape('nhw', 8, 8), { color: 'gray', scale: 1, resize_shorter: 10 });
    expect(new Set(cropped)).toEqual(new Set([255]));
    const filled = await tensorOf(base64, shape('nhw', 8, 8), { color: 'gray', scale: 1 });
    expect(filled[0]).toBe(0);
    expect(await tensorOf(base64, shape('nhw', 4, 4), { color: 'gray', scale: 1, fit: 'contain' })).toHaveLength(16);
  });

  it('are read from data URLs, whatever format these name', async () => {
    const url = `data:image/jpeg;base64,${await png()}`;
    expect(await tensorOf(url, shape('nhwc'), { scale: 1 })).toEqual([...pixels]);
  });
});

describe('files that are no images', () => {
  const header = (width: number, height: number): string => {
    const bytes = Buffer.alloc(33);
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]).copy(bytes);
    bytes.write('IHDR', 12, 'latin1');
    bytes.writeUInt32BE(width, 16);
    bytes.writeUInt32BE(height, 20);
    return bytes.toString('base64');
  };

  it.each([
    ['', 'must be a JPEG or PNG file in base64'],
    ['no base64!', 'must be a JPEG or PNG file in base64'],
    ['AAA', 'must be a JPEG or PNG file in base64'],
    [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64'), 'must be a JPEG or PNG file; these'],
    [Buffer.from('GIF89a_____________________').toString('base64'), 'must be a JPEG or PNG file; these'],
    [Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 2, 0xff]).toString('base64'), 'must be a JPEG or PNG file; these'],
    [header(0, 5), 'has no pixels'],
    [header(100_000, 100_000), 'has 100000 x 100000 pixels; the maximum is 16000000; scale it down'],
    [header(4_294_967_295, 4_294_967_295), 'pixels; the maximum is'],
  ])('are rejected by their header alone: %#', (base64, problem) => {
    expect(problemOf(base64)).toContain(problem);
  });

  it('are rejected above the bytes of the manifest', async () => {
    const base64 = (
      await sharp({ create: { width: 20, height: 20, channels: 3, background: '#123' } })
        .png()
        .toBuffer()
    ).toString('base64');
    expect(problemOf(base64, { max_bytes: 100 })).toContain('bytes; the maximum is 100');
    expect(problemOf(base64, { max_pixels: 399 })).toContain('has 20 x 20 pixels; the maximum is 399');
  });

  it('are rejected when damaged, without details of the decoder', async () => {
    const whole = await image().resize(64, 64).png().toBuffer();
    for (const bytes of [
      whole.subarray(0, whole.length >> 1),
      Buffer.concat([whole.subarray(0, 40), Buffer.alloc(200, 7)]),
    ])
      await expect(tensorOf(bytes.toString('base64'), shape('nhwc'))).rejects.toThrow(/^cannot be decoded: .{0,100}$/);
    // More rows than the header promises cannot get past the limit that follows from it.
    const jpeg = await image().resize(64, 64).jpeg().toBuffer();
    await expect(tensorOf(jpeg.subarray(0, 300).toString('base64'), shape('nhwc'))).rejects.toThrow(InvalidImage);
  });

  it('take linear time to look through', () => {
    const jpeg = Buffer.alloc(2_000_000, 0xff);
    jpeg[1] = 0xd8;
    expect(problemOf(jpeg.toString('base64'), { max_bytes: 4_000_000 })).toContain('must be a JPEG or PNG file');
    expect(problemOf('A'.repeat(4_000_000), { max_bytes: 4_000_000 })).toContain('must be a JPEG or PNG file');
  });
});

describe('inkOf', () => {
  /** A bar of ink, leaning by `slant` columns per row. */
  const bar = (slant: number, paper: number, ink: number, width = 40) => {
    const drawn = new Uint8Array(width * 40).fill(paper);
    for (let y = 8; y < 32; y += 1)
      for (let x = 0; x < 4; x += 1) drawn[y * width + Math.round(10 + slant * y) + x] = ink;
    return { pixels: drawn, width, height: 40 };
  };
  const rounded = (shares: Float32Array): number[] => Array.from(shares, (share) => Math.round(share * 10) / 10);

  it('finds dark strokes on paper and light ones on dark, wherever they are', () => {
    const upright = inkOf(bar(0, 255, 0), 8, 8);
    expect(rounded(inkOf(bar(0, 0, 255), 8, 8))).toEqual(rounded(upright));
    expect(rounded(inkOf(bar(0, 200, 90), 8, 8))).toEqual(rounded(upright));
    expect(upright[0]).toBe(0);
    expect(upright[3]).toBeGreaterThan(0.4);
    // The strokes fill the height, from the first to the last row.
    expect(upright[7 * 8 + 3]).toBeGreaterThan(0.4);
  });

  it('makes leaning strokes upright', () => {
    const columns = (shares: Float32Array) =>
      new Set([...shares.keys()].filter((at) => (shares[at] ?? 0) > 0.3).map((at) => at % 8));
    expect(columns(inkOf(bar(0.4, 255, 0), 8, 8)).size).toBeLessThanOrEqual(2);
  });

  it('finds nothing on blank paper, nor in faint noise', () => {
    expect(Math.max(...inkOf(bar(0, 255, 255), 8, 8))).toBe(0);
    expect(Math.max(...inkOf(bar(0, 255, 240), 8, 8))).toBe(0);
  });
});
