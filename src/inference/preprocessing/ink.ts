/** A gray image, row by row; 0 is black, 255 is white. */
export interface GrayImage {
  pixels: Uint8Array;
  width: number;
  height: number;
}

/** Darker or lighter than the paper by less than this is no ink. */
const leastContrast = 32;
/** Share of the strongest contrast from which a pixel is full of ink: thin strokes are blurred. */
const fullInk = 0.4;
/** Pixels with less ink are not part of the strokes. */
const strokeInk = 0.3;
/** Width of the field in heights of the strokes: room at the sides of a digit that fills the height. */
const fieldWidth = 1.1;

/**
 * Handwriting on plain paper as the share of ink in each cell of a grid, 0 to 1, row by row: the strokes are made upright, fill
 * the height, and are centred by their mass. The paper may be darker or lighter than the ink.
 */
export function inkOf(image: GrayImage, width: number, height: number): Float32Array {
  const ink = withoutSlant(inkShares(image), image.width, image.height);
  const top = firstRow(ink, image, 0, 1);
  if (top === null) return new Float32Array(width * height);
  const bottom = (firstRow(ink, image, image.height - 1, -1) ?? top) + 1;
  const { left, right, centre } = columnsOf(ink, image);
  const side = bottom - top;
  const field = Math.max(fieldWidth * side, right - left);
  const rows = overlaps(top, side, image.height, height);
  const columns = overlaps(centre - field / 2, field, image.width, width);
  return Float32Array.from({ length: width * height }, (_, cell) => {
    let sum = 0;
    for (const [y, share] of rows[Math.floor(cell / width)] ?? [])
      for (const [x, part] of columns[cell % width] ?? []) sum += (ink[y * image.width + x] ?? 0) * share * part;
    return Math.min(sum, 1);
  });
}

/** How full of ink each pixel is, 0 to 1, by its contrast with the paper, which is the median of the border. */
function inkShares({ pixels, width, height }: GrayImage): Float32Array {
  const paper = medianOfBorder(pixels, width, height);
  let [darkest, lightest] = [paper, paper];
  for (const pixel of pixels) {
    darkest = Math.min(darkest, pixel);
    lightest = Math.max(lightest, pixel);
  }
  const contrast = Math.max(paper - darkest, lightest - paper);
  if (contrast < leastContrast) return new Float32Array(pixels.length);
  const isDark = paper - darkest >= lightest - paper;
  const full = contrast * fullInk;
  const sign = isDark ? 1 : -1;
  const ink = new Float32Array(pixels.length);
  for (let index = 0; index < ink.length; index += 1)
    ink[index] = Math.min(Math.max((sign * (paper - (pixels[index] ?? 0))) / full, 0), 1);
  return ink;
}

function medianOfBorder(pixels: Uint8Array, width: number, height: number): number {
  const border: number[] = [];
  for (let x = 0; x < width; x += 1) border.push(pixels[x] ?? 0, pixels[(height - 1) * width + x] ?? 0);
  for (let y = 0; y < height; y += 1) border.push(pixels[y * width] ?? 0, pixels[y * width + width - 1] ?? 0);
  return border.sort((a, b) => a - b)[border.length >> 1] ?? 0;
}

/** Shears the rows so that the moments of ink show no slant. */
function withoutSlant(ink: Float32Array, width: number, height: number): Float32Array {
  let [mass, sumX, sumY] = [0, 0, 0];
  each(ink, width, (share, x, y) => {
    mass += share;
    sumX += share * x;
    sumY += share * y;
  });
  if (mass === 0) return ink;
  const [centreX, centreY] = [sumX / mass, sumY / mass];
  let [covariance, variance] = [0, 0];
  each(ink, width, (share, x, y) => {
    covariance += share * (x - centreX) * (y - centreY);
    variance += share * (y - centreY) ** 2;
  });
  if (variance === 0) return ink;
  const slant = covariance / variance;
  const upright = new Float32Array(ink.length);
  for (let y = 0; y < height; y += 1) {
    const shift = slant * (y - centreY);
    for (let x = 0; x < width; x += 1) upright[y * width + x] = between(ink, y * width, width, x + shift);
  }
  return upright;
}

function each(ink: Float32Array, width: number, visit: (share: number, x: number, y: number) => void): void {
  for (let index = 0; index < ink.length; index += 1) {
    const share = ink[index] ?? 0;
    if (share > 0) visit(share, index % width, Math.floor(index / width));
  }
}

/** The ink at a place between two pixels of a row; none outside of it. */
function between(ink: Float32Array, start: number, width: number, x: number): number {
  const left = Math.floor(x);
  const at = (column: number): number => (column >= 0 && column < width ? (ink[start + column] ?? 0) : 0);
  return at(left) * (left + 1 - x) + at(left + 1) * (x - left);
}

/** The first row with strokes, from one end; null if there is none. */
function firstRow(ink: Float32Array, { width, height }: GrayImage, from: number, step: 1 | -1): number | null {
  for (let y = from; y >= 0 && y < height; y += step)
    if (ink.subarray(y * width, (y + 1) * width).some((share) => share >= strokeInk)) return y;
  return null;
}

function columnsOf(ink: Float32Array, { width }: GrayImage): { left: number; right: number; centre: number } {
  let [left, right, mass, sum] = [width, 0, 0, 0];
  each(ink, width, (share, x) => {
    mass += share;
    sum += share * (x + 0.5);
    if (share < strokeInk) return;
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
  });
  return { left, right, centre: sum / mass };
}

/** For each of `cells` equal parts of a length: the pixels that it covers, each with its share of the part. */
function overlaps(start: number, length: number, pixels: number, cells: number): [pixel: number, share: number][][] {
  const size = length / cells;
  return Array.from({ length: cells }, (_, cell) => {
    const [from, to] = [start + cell * size, start + (cell + 1) * size];
    const covered: [number, number][] = [];
    for (let pixel = Math.max(0, Math.floor(from)); pixel < Math.min(pixels, Math.ceil(to)); pixel += 1)
      covered.push([pixel, (Math.min(to, pixel + 1) - Math.max(from, pixel)) / size]);
    return covered;
  });
}
