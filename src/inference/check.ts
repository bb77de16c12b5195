import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openOnnxSession } from './backend/onnx-session.js';
import { problemsOfGoldenRows } from './golden.js';
import type { Model, ModelProblems, ModelVersion } from './model.js';
import { glanceAtModelStore, problemsOf, readGoldenRows, readModel, readModelBytes, sha256OfFile, type StoredVersion } from './model-store.js';
import { createSignature, type Signature } from './signature.js';
import { VersionCounters } from './statistics.js';

/** What a look at a whole store found. Each text names its file, and the line where there is one. */
export interface StoreReport {
  models: number;
  versions: number;
  goldenRows: number;
  /** What must be put right. */
  problems: string[];
  /** What the gateway serves all the same. */
  warnings: string[];
}

/** How far a golden row's number may be off, as a share of it; below a ten-thousandth, as a share of that. */
const tolerance = 1e-4;

/** Larger files bloat a git repository, which keeps each version for ever. */
const maxBytesInGit = 5_000_000;

/** Longest card or list of checksums that is read, in bytes. */
const maxTextBytes = 1024 * 1024;

/** What every card tells; more sections are welcome. */
const cardSections = {
  'What it is for': 'whom it helps, with what',
  Data: 'what it was trained on, where that came from, and what was done to it',
  Evaluation: 'how good it is, on what that was measured, and against what',
  Limits: 'where it is wrong or must not be used',
};

/**
 * Looks at every model of a store as the gateway would, and at what only people read: the whole of the golden rows, cards,
 * checksums, metrics. Needs no server.
 * @param clashesOf what speaks against serving models together, such as names that clash
 * @throws ModelStoreError where the store cannot be read at all
 */
export async function checkModelStore(storeDir: string, clashesOf: (models: readonly Model[]) => ModelProblems[] = () => []): Promise<StoreReport> {
  const report: StoreReport = { models: 0, versions: 0, goldenRows: 0, problems: [], warnings: [] };
  const servable: Model[] = [];
  for (const name of (await glanceAtModelStore(storeDir)).keys()) {
    const model = await checkModel(report, storeDir, name);
    if (model) servable.push(model);
  }
  report.problems.push(...clashesOf(servable).flatMap(({ problems }) => problems));
  if (report.models === 0 && report.problems.length === 0) report.problems.push(`${storeDir} holds no model; put one at <name>/model.yaml`);
  return report;
}

/** The model as it would be served; null where it could not be. */
async function checkModel(report: StoreReport, storeDir: string, name: string): Promise<Model | null> {
  const model = await readModel(storeDir, name).catch((error: unknown) => {
    report.problems.push(...problemsOf(error));
    return undefined;
  });
  // A folder that is no model, such as what the trainings share, needs no card.
  if (model === null) return null;
  report.models += 1;
  report.problems.push(...(await problemsOfCard(storeDir, name)));
  const versions: ModelVersion[] = [];
  for (const version of model?.versions ?? []) {
    report.versions += 1;
    const signature = await checkVersion(report, join(storeDir, name, String(version.version)), version);
    const { digest, metrics } = version;
    if (signature) versions.push({ version: version.version, digest, metrics, ...signature, statistics: new VersionCounters() });
  }
  const current = versions.find(({ version }) => version === model?.current);
  return model && current ? { name, title: model.manifest.title, versions, current, canary: null, shadow: null, problems: [] } : null;
}

/** The version's signature; null where it has none that could be served. */
async function checkVersion(report: StoreReport, folder: string, version: StoredVersion): Promise<Signature | null> {
  const { label } = version;
  report.problems.push(...problemsOfMetrics(version));
  if (version.metrics === null) report.warnings.push(`${label}/metrics.json is missing; write down how good the model is`);
  await checkChecksums(report, folder, label);
  try {
    const bytes = await readModelBytes(version);
    if (bytes.length > maxBytesInGit) {
      report.warnings.push(`${label}/model.onnx has ${(bytes.length / 1e6).toFixed(1)} MB; above ${maxBytesInGit / 1e6} MB, keep it out of git`);
    }
    const session = await openOnnxSession(bytes).catch((error: unknown) => {
      report.problems.push(`${label}/model.onnx cannot be loaded: ${problemsOf(error).join(' ')}`);
    });
    if (!session) return null;
    try {
      const signature = createSignature(label, session, version.fields);
      const rows = await readGoldenRows(version);
      if (rows.length === 0) report.warnings.push(`${label}/golden.jsonl has no row; write some, so that a changed model is noticed`);
      report.goldenRows += rows.length;
      report.problems.push(...(await problemsOfGoldenRows({ label, rows, signature, tolerance }, session)));
      return signature;
    } finally {
      await session.close();
    }
  } catch (error) {
    report.problems.push(...problemsOf(error));
    return null;
  }
}

// ---------------------------------------------------------------- what lies beside the model

function problemsOfMetrics({ label, metrics }: StoredVersion): string[] {
  return Object.entries(metrics ?? {}).flatMap(([name, value]) =>
    typeof value === 'number' ? [] : [`${label}/metrics.json: ${name} must be a number; the file is one flat object of numbers`],
  );
}

/** `SHA256SUMS` as the tool `sha256sum` writes it: a model that was put in place without its training is noticed. */
async function checkChecksums(report: StoreReport, folder: string, label: string): Promise<void> {
  const source = await textOf(join(folder, 'SHA256SUMS'));
  if (source === null) {
    report.warnings.push(`${label}/SHA256SUMS is missing; write it beside the model: sha256sum model.onnx golden.jsonl > SHA256SUMS`);
    return;
  }
  const listed: string[] = [];
  for (const [index, line] of source.split('\n').entries()) {
    if (line.trim() === '') continue;
    const [, digest, file] = /^([0-9a-f]{64}) [ *]([\w.-]+)$/.exec(line.trimEnd()) ?? [];
    const place = `${label}/SHA256SUMS:${index + 1}`;
    if (digest === undefined || file === undefined) {
      report.problems.push(`${place}: must be a SHA-256 in hexadecimal, two spaces and the name of a file beside it`);
      continue;
    }
    listed.push(file);
    const actual = await sha256OfFile(join(folder, file)).catch(() => null);
    if (actual === null) report.problems.push(`${place}: ${file} is not there`);
    else if (actual !== digest) report.problems.push(`${place}: ${file} is not the file that the training wrote; train again, or write the sums anew`);
  }
  if (!listed.includes('model.onnx')) report.problems.push(`${label}/SHA256SUMS: does not list model.onnx`);
}

async function problemsOfCard(storeDir: string, name: string): Promise<string[]> {
  const file = `${name}/README.md`;
  const source = await textOf(join(storeDir, file));
  if (source === null) return [`${file} is missing; write a card with the sections ${Object.keys(cardSections).join(', ')}`];
  const lines = source.split('\n');
  if (!/^# \S/.test(lines.find((line) => line.trim() !== '') ?? '')) return [`${file}:1: must begin with a heading such as "# Model card: ${name}"`];
  const headings = lines.flatMap((line, index) => (line.startsWith('## ') ? [{ title: line.slice(3).trim(), index }] : []));
  const problems = Object.entries(cardSections).flatMap(([section, tells]) => {
    const heading = headings.find(({ title }) => title.toLowerCase().startsWith(section.toLowerCase()));
    if (!heading) return [`${file}: has no section "## ${section}": ${tells}`];
    const end = headings.find(({ index }) => index > heading.index)?.index ?? lines.length;
    const isEmpty = lines.slice(heading.index + 1, end).every((line) => line.trim() === '');
    return isEmpty ? [`${file}:${heading.index + 1}: the section "${heading.title}" is empty; tell ${tells}`] : [];
  });
  return [...problems, ...(await brokenLinks(join(storeDir, name), file, lines))];
}

/** Links and pictures of a card that lead to no file. */
async function brokenLinks(folder: string, file: string, lines: readonly string[]): Promise<string[]> {
  const links = lines.flatMap((line, index) =>
    [...line.matchAll(/\]\(([^)\s#]+)/g)].flatMap(([, target = '']) => (/^[a-z]+:/i.test(target) ? [] : [{ target, line: index + 1 }])),
  );
  const found = await Promise.all(links.map(({ target }) => stat(join(folder, target)).catch(() => null)));
  return links.filter((_, index) => found[index] === null).map(({ target, line }) => `${file}:${line}: links to ${target}, which is not there`);
}

/** Null where there is no such file, or one that is no text for people. */
async function textOf(file: string): Promise<string | null> {
  const found = await stat(file).catch(() => null);
  if (found?.isFile() !== true || found.size > maxTextBytes) return null;
  return readFile(file, 'utf8');
}
