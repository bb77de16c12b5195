import { readFile } from 'node:fs/promises';
import { SourceMap, type SourceMapPayload } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from './summary.ts';

/** A profile as V8 writes it: which functions were seen running, called by which, at each sample. */
interface CpuProfile {
  nodes: { id: number; callFrame: CallFrame }[];
  samples: number[];
  timeDeltas: number[];
}

/** Lines and columns count from 0. */
interface CallFrame {
  functionName: string;
  url: string;
  lineNumber: number;
  columnNumber: number;
}

interface Hot {
  name: string;
  place: string;
  isOwn: boolean;
  us: number;
}

const shown = 25;

/** The functions in which the time was spent themselves, the gateway's own first, each with its share of the time that was not idle. */
export async function hottest(profile: string, projectDir: string): Promise<string> {
  const parsed = JSON.parse(profile) as CpuProfile;
  const functions = await functionsOf(parsed, projectDir);
  const isIdle = ({ name }: Hot): boolean => name === '(idle)';
  const idleUs = functions.filter(isIdle).reduce((sum, { us }) => sum + us, 0);
  const busyUs = functions.reduce((sum, { us }) => sum + us, 0) - idleUs;
  const busy = functions.filter((one) => !isIdle(one)).sort((one, other) => other.us - one.us);
  const rows = (of: Hot[]): string => table([['function', 'place', 'ms', '%'], ...of.slice(0, shown).map(({ name, place, us }) => [name, place, (us / 1000).toFixed(0), ((us / busyUs) * 100).toFixed(1)])]);
  const [own, others] = [busy.filter(({ isOwn }) => isOwn), busy.filter(({ isOwn }) => !isOwn)];
  const share = (of: Hot[]): string => ((of.reduce((sum, { us }) => sum + us, 0) / busyUs) * 100).toFixed(0);
  return [
    `Busy for ${(busyUs / 1e6).toFixed(1)} s, idle for ${(idleUs / 1e6).toFixed(1)} s. By time in the function itself, without what it calls:`,
    `\nThe gateway's own (${share(own)} % of the busy time)\n${rows(own)}`,
    `\nLibraries, Node and the engine (${share(others)} %)\n${rows(others)}\n`,
  ].join('\n');
}

/** Each function once, however it was called. */
async function functionsOf({ nodes, samples, timeDeltas }: CpuProfile, projectDir: string): Promise<Hot[]> {
  const usOfNode = new Map<number, number>();
  samples.forEach((node, position) => usOfNode.set(node, (usOfNode.get(node) ?? 0) + Math.max(0, timeDeltas[position] ?? 0)));
  const placeOf = places(projectDir);
  const functions = new Map<string, Hot>();
  for (const { id, callFrame } of nodes) {
    const us = usOfNode.get(id) ?? 0;
    const { place, isOwn } = await placeOf(callFrame);
    const name = callFrame.functionName || '(anonymous)';
    const key = `${name} ${place}`;
    const known = functions.get(key) ?? { name, place, isOwn, us: 0 };
    functions.set(key, { ...known, us: known.us + us });
  }
  return [...functions.values()];
}

/** Where a function lies: of the gateway's own, in the source; of a library, the file within it. */
function places(projectDir: string) {
  const maps = new Map<string, Promise<SourceMap | null>>();
  const readMap = async (file: string): Promise<SourceMap | null> => {
    const text = await readFile(`${file}.map`, 'utf8').catch(() => null);
    return text === null ? null : new SourceMap(JSON.parse(text) as SourceMapPayload);
  };
  return async ({ url, lineNumber, columnNumber }: CallFrame): Promise<{ place: string; isOwn: boolean }> => {
    if (!url.startsWith('file:')) return { place: url, isOwn: false };
    const file = fileURLToPath(url);
    const relative = path.relative(projectDir, file);
    if (!relative.startsWith('dist')) return { place: `${relative.replace(/^.*node_modules\//, '')}:${lineNumber + 1}`, isOwn: false };
    if (!maps.has(file)) maps.set(file, readMap(file));
    const entry = (await maps.get(file))?.findEntry(lineNumber, columnNumber);
    if (!entry || !('originalSource' in entry)) return { place: `${relative}:${lineNumber + 1}`, isOwn: true };
    return { place: `${path.relative(projectDir, path.resolve(path.dirname(file), entry.originalSource))}:${entry.originalLine + 1}`, isOwn: true };
  };
}
