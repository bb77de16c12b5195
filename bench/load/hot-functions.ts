import { readFile } from 'node:fs/promises';
import { SourceMap, type SourceMapPayload } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from './report.ts';

/** The parts of a V8 CPU profile that are read. */
interface CpuProfile {
  nodes: { id: number; callFrame: CallFrame }[];
  samples: number[];
  timeDeltas: number[];
}

/** Lines and columns are zero-based. */
interface CallFrame {
  functionName: string;
  url: string;
  lineNumber: number;
  columnNumber: number;
}

interface HotFunction {
  name: string;
  location: string;
  isOwn: boolean;
  us: number;
}

const maxRows = 25;

/** Formats the functions with the most self time, the gateway's first, with their share of busy time. */
export async function formatHotFunctions(profile: string, projectDir: string): Promise<string> {
  const parsed = JSON.parse(profile) as CpuProfile;
  const functions = await functionsOf(parsed, projectDir);
  const isIdle = ({ name }: HotFunction): boolean => name === '(idle)';
  const idleUs = functions.filter(isIdle).reduce((sum, { us }) => sum + us, 0);
  const busyUs = functions.reduce((sum, { us }) => sum + us, 0) - idleUs;
  const busy = functions.filter((entry) => !isIdle(entry)).sort((one, other) => other.us - one.us);
  const rows = (of: HotFunction[]): string =>
    table([
      ['function', 'location', 'ms', '%'],
      ...of
        .slice(0, maxRows)
        .map(({ name, location, us }) => [name, location, (us / 1000).toFixed(0), ((us / busyUs) * 100).toFixed(1)]),
    ]);
  const [own, others] = [busy.filter(({ isOwn }) => isOwn), busy.filter(({ isOwn }) => !isOwn)];
  const share = (of: HotFunction[]): string => ((of.reduce((sum, { us }) => sum + us, 0) / busyUs) * 100).toFixed(0);
  return [
    `Busy for ${(busyUs / 1e6).toFixed(1)} s, idle for ${(idleUs / 1e6).toFixed(1)} s. Self time by function:`,
    `\nGateway (${share(own)}% of busy time)\n${rows(own)}`,
    `\nLibraries, Node.js and V8 (${share(others)}%)\n${rows(others)}\n`,
  ].join('\n');
}

/** Sums the samples by function, over all call paths. */
async function functionsOf({ nodes, samples, timeDeltas }: CpuProfile, projectDir: string): Promise<HotFunction[]> {
  const usOfNode = new Map<number, number>();
  samples.forEach((node, position) =>
    usOfNode.set(node, (usOfNode.get(node) ?? 0) + Math.max(0, timeDeltas[position] ?? 0)),
  );
  const locate = createLocator(projectDir);
  const functions = new Map<string, HotFunction>();
  for (const { id, callFrame } of nodes) {
    const us = usOfNode.get(id) ?? 0;
    const { location, isOwn } = await locate(callFrame);
    const name = callFrame.functionName || '(anonymous)';
    const key = `${name} ${location}`;
    const known = functions.get(key) ?? { name, location, isOwn, us: 0 };
    functions.set(key, { ...known, us: known.us + us });
  }
  return [...functions.values()];
}

/** Locates functions: those of the gateway by source map, those of a library by file. */
function createLocator(projectDir: string) {
  const maps = new Map<string, Promise<SourceMap | null>>();
  const readMap = async (file: string): Promise<SourceMap | null> => {
    const text = await readFile(`${file}.map`, 'utf8').catch(() => null);
    return text === null ? null : new SourceMap(JSON.parse(text) as SourceMapPayload);
  };
  return async ({ url, lineNumber, columnNumber }: CallFrame): Promise<{ location: string; isOwn: boolean }> => {
    if (!url.startsWith('file:')) return { location: url, isOwn: false };
    const file = fileURLToPath(url);
    const relative = path.relative(projectDir, file);
    if (!relative.startsWith('dist'))
      return { location: `${relative.replace(/^.*node_modules\//, '')}:${lineNumber + 1}`, isOwn: false };
    if (!maps.has(file)) maps.set(file, readMap(file));
    const entry = (await maps.get(file))?.findEntry(lineNumber, columnNumber);
    if (!entry || !('originalSource' in entry)) return { location: `${relative}:${lineNumber + 1}`, isOwn: true };
    return {
      location: `${path.relative(projectDir, path.resolve(path.dirname(file), entry.originalSource))}:${entry.originalLine + 1}`,
      isOwn: true,
    };
  };
}
