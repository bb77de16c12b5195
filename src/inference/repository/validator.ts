import { openOnnxSession } from '../onnx/onnx-session.js';
import { referenceProblems } from '../reference/reference-problems.js';
import { checkCard } from './card.js';
import { haveSameShape } from '../serving/model-roles.js';
import type { Model, ModelProblems, ModelVersion } from '../serving/model.js';
import { readModel, servedFolders, type StoredModel } from './model-repository.js';
import { problemsOf, UnreadableFolder } from './problems.js';
import { digestOfVersion, readTokenizers } from './tokenizer-files.js';
import { readModelBytes } from './model-files.js';
import { readGoldenRows, type GoldenRow, type StoredVersion } from './version-folder.js';
import { verifyGraph } from './verify-graph.js';
import { defaultMaxRowBytes, type Signature } from '../signature/types.js';
import type { Serving } from './model-manifest.js';
import { VersionCounters } from '../serving/version-statistics.js';

/** The result of validating a repository. Each text names its file, and the line if there is one. */
export interface StoreReport {
  models: number;
  versions: number;
  goldenRows: number;
  /** Problems that prevent serving. */
  problems: string[];
  /** Problems that do not prevent serving. */
  warnings: string[];
}

/** The tolerance of outputs that declare none; stricter than that of a load, which may run on another processor. */
const tolerance = { relative: 1e-4, absolute: 1e-8 };

/** Milliseconds that the test of independence should take for each version. */
const budgetMs = 10_000;

/** Larger files bloat the git history. */
const maxBytesInGit = 5_000_000;

/**
 * Validates every model like the gateway does, and also all golden rows, cards, checksums and metrics. Needs no server.
 * @param clashesOf finds problems of serving models together, such as colliding names
 * @param typingProblems finds names that allow no typed field, which are warnings
 * @throws ModelRepositoryError if the repository cannot be read
 */
export async function checkModelStore(
  storeDir: string,
  clashesOf: (models: readonly Model[]) => ModelProblems[] = () => [],
  typingProblems: (model: Model) => readonly string[] = () => [],
): Promise<StoreReport> {
  const report: StoreReport = { models: 0, versions: 0, goldenRows: 0, problems: [], warnings: [] };
  const servable: Model[] = [];
  const { names, excess } = await servedFolders(storeDir);
  if (excess) report.problems.push(excess.problem);
  for (const name of names) {
    const model = await checkModel(report, storeDir, name);
    if (model) servable.push(model);
  }
  report.warnings.push(...servable.flatMap(typingProblems));
  report.problems.push(...clashesOf(servable).flatMap(({ problems }) => problems));
  if (report.models === 0 && report.problems.length === 0)
    report.problems.push(`${storeDir} holds no model; put one at <name>/model.yaml`);
  return report;
}

/** The model as it would be served; null if it cannot be. */
async function checkModel(report: StoreReport, storeDir: string, name: string): Promise<Model | null> {
  const model = await readModel(storeDir, name).catch((error: unknown) => {
    if (error instanceof UnreadableFolder) {
      report.warnings.push(...error.problems);
      return null;
    }
    report.problems.push(...problemsOf(error, storeDir));
    return undefined;
  });
  // A folder without a model, such as shared training code, needs no card.
  if (model === null) return null;
  report.models += 1;
  const card = await checkCard(storeDir, name).catch((error: unknown) => ({
    problems: problemsOf(error),
    warnings: [],
  }));
  report.problems.push(...card.problems);
  report.warnings.push(...card.warnings);
  for (const broken of model?.broken ?? []) {
    report.versions += 1;
    report.problems.push(...broken.problems);
  }
  const versions: ModelVersion[] = [];
  for (const version of model?.versions ?? []) {
    report.versions += 1;
    const signature = await checkVersion(report, version, model?.manifest.serving);
    const { metrics } = version;
    const digest = digestOfVersion(version);
    if (signature)
      versions.push({
        ...{ version: version.version, digest, metrics, exampleInput: null },
        ...signature,
        isFailing: false,
        statistics: new VersionCounters(),
      });
  }
  const current = versions.find(({ version }) => version === model?.current);
  if (model && current) report.warnings.push(...warningsOfRoles(model, versions, current));
  return model && current
    ? {
        ...{
          name,
          title: model.manifest.title,
          versions,
          current,
          manifestVersion: model.current,
          bindings: model.manifest.bind,
        },
        ...{ canary: null, shadow: null, history: model.manifest.history, isTyped: true, problems: [], overrides: [] },
      }
    : null;
}

/** A canary or shadow that could not take the place of the current version, and is not used therefore. */
function warningsOfRoles({ name, manifest }: StoredModel, versions: readonly ModelVersion[], current: ModelVersion) {
  return (['canary', 'shadow'] as const).flatMap((role) => {
    const version = versions.find((one) => one.version === manifest[role]?.version);
    return !version || haveSameShape(version, current)
      ? []
      : [`${name}: ${role} ${version.version} has other inputs or outputs than ${current.version}; it is not used`];
  });
}

/** The signature of the version; null if it cannot be served. */
async function checkVersion(
  report: StoreReport,
  version: StoredVersion,
  { maxBatch, maxRowBytes }: Pick<Serving, 'maxBatch' | 'maxRowBytes'> = {
    maxBatch: 1,
    maxRowBytes: defaultMaxRowBytes,
  },
): Promise<Signature | null> {
  const { label } = version;
  report.problems.push(...problemsOfMetrics(version));
  if (version.metrics === null)
    report.warnings.push(`${label}/metrics.json is missing; write down how good the model is`);
  report.problems.push(...version.reference.problems, ...(version.checksumProblems ?? []));
  if (!version.checksumProblems)
    report.warnings.push(
      `${label}/SHA256SUMS is missing; write it beside the model: sha256sum model.onnx golden.jsonl > SHA256SUMS`,
    );
  try {
    const bytes = await readModelBytes(version);
    if (bytes.length > maxBytesInGit) {
      report.warnings.push(
        `${label}/model.onnx has ${(bytes.length / 1e6).toFixed(1)} MB; above ${maxBytesInGit / 1e6} MB, keep it out of git`,
      );
    }
    const session = await openOnnxSession(bytes).catch((error: unknown) => {
      report.problems.push(`${label}/model.onnx cannot be loaded: ${problemsOf(error).join(' ')}`);
    });
    if (!session) return null;
    try {
      const tokenizers = await readTokenizers(version);
      const rows = await readGoldenRows(version);
      if (rows.length === 0)
        report.warnings.push(`${label}/golden.jsonl has no row; write some, so that a changed model is noticed`);
      report.warnings.push(...warningsOfGenerated(label, rows));
      report.goldenRows += rows.length;
      const { signature, problems } = await verifyGraph(
        { stored: version, tokenizers, rows, maxBatch, maxRowBytes, tolerance, budgetMs },
        session,
      );
      report.problems.push(...problems);
      report.problems.push(...referenceProblems(signature, version.reference.reference, label));
      return signature;
    } finally {
      await session.close();
    }
  } catch (error) {
    report.problems.push(...problemsOf(error));
    return null;
  }
}

function warningsOfGenerated(label: string, rows: readonly GoldenRow[]): string[] {
  const count = rows.filter(({ generated }) => generated === true).length;
  const which = count === 1 ? '1 generated row' : `${count} generated rows`;
  return count === 0
    ? []
    : [`${label}/golden.jsonl has ${which}; replace them with rows whose outputs come from the training framework`];
}

function problemsOfMetrics({ label, metrics }: StoredVersion): string[] {
  return Object.entries(metrics ?? {}).flatMap(([name, value]) =>
    typeof value === 'number'
      ? []
      : [`${label}/metrics.json: ${name} must be a number; the file is one flat object of numbers`],
  );
}
