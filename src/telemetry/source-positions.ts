import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** A position in a stack: file URL, line and column, both from 1. */
const bundledPosition = /(file:\/\/[^\s():]+\/dist\/bundle\/[\w.-]+\.js):(\d+):(\d+)/g;

/** The maps in use. They take 25 MB, so that they are dropped ten seconds later. */
const maps = new Map<string, SourceMap | null>();
const mapsLastMs = 10_000;

/**
 * Replaces the positions in the bundle by those in the sources. A map is read when the first error is logged: Node.js's own option
 * `--enable-source-maps` would load it at the start, and slow down each error.
 */
export const withSourcePositions = (stack: string): string =>
  stack.replaceAll(bundledPosition, (position, file: string, line: string, column: string) => {
    const origin = mapOf(file)?.findOrigin(Number(line), Number(column));
    // Positions in packages are not in the map.
    if (!origin || !('fileName' in origin) || !origin.fileName.includes('/src/')) return position;
    const source = path.relative(process.cwd(), path.join(path.dirname(fileURLToPath(file)), origin.fileName));
    return `${source}:${origin.lineNumber}:${origin.columnNumber}`;
  });

/** Null if the bundle has no map. */
function mapOf(file: string): SourceMap | null {
  const known = maps.get(file);
  if (known !== undefined) return known;
  let map: SourceMap | null = null;
  try {
    map = new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${file}.map`), 'utf8')) as SourceMapPayload);
  } catch {
    // The positions in the bundle remain.
  }
  maps.set(file, map);
  setTimeout(() => maps.delete(file), mapsLastMs).unref();
  return map;
}
