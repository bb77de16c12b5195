import { v5 } from 'uuid';
import { Role, type Viewer } from '../../auth/viewer.js';
import type { Predictor } from '../../inference/serving/predictor.js';
import type { ModelVersion, ModelView, VersionOfModel } from './model.types.js';

/** Namespace of the UUIDs of models. Changing it changes the ids that clients know. */
const namespace = 'ca6080f2-506a-4c4b-a744-2c39eb59ec39';

/** The UUID of a model, derived from its name (RFC 9562, 5.5): equal on every replica and after a restart. */
export const modelUuid = (name: string): string => v5(name, namespace);

/** The UUID of a version of a model. A name has no slash, so it differs from that of every model. */
export const versionUuid = (model: string, version: number): string => v5(`${model}/${version}`, namespace);

export const versionOf = (model: ModelView, version: ModelVersion): VersionOfModel => ({ ...version, model });

/** The parts of the predictor that name its models. */
type Models = Pick<Predictor, 'models' | 'problems'>;

/** The models that a viewer sees, by name: those that are served, and for ADMIN also those that cannot be. */
export function visibleModels(predictor: Models, viewer: Viewer): ModelView[] {
  const served: ModelView[] = predictor.models();
  if (viewer.kind === 'anonymous' || viewer.role !== Role.ADMIN) return served;
  const names = new Set(served.map(({ name }) => name));
  const broken = predictor.problems().filter(({ model }) => !names.has(model));
  if (broken.length === 0) return served;
  return [...served, ...broken.map(({ model, problems }) => unservedModel(model, problems))].sort((one, other) =>
    one.name < other.name ? -1 : 1,
  );
}

const unservedModel = (name: string, problems: readonly string[]): ModelView => ({
  name,
  title: name,
  description: 'This model cannot be served; see its problems.',
  versions: [],
  current: null,
  canary: null,
  shadow: null,
  problems,
});

/** Finds models that a viewer sees by UUID, in order; null if unknown. */
export function modelsByUuid(predictor: Models, uuids: readonly string[], viewer: Viewer): (ModelView | null)[] {
  const models = new Map(visibleModels(predictor, viewer).map((model) => [modelUuid(model.name), model]));
  return uuids.map((uuid) => models.get(uuid) ?? null);
}

/** Finds served versions by UUID, in order; null if unknown. */
export function versionsByUuid(
  predictor: Pick<Predictor, 'models'>,
  uuids: readonly string[],
): (VersionOfModel | null)[] {
  const versions = new Map(
    predictor
      .models()
      .flatMap((model) =>
        model.versions.map((version) => [versionUuid(model.name, version.version), versionOf(model, version)]),
      ),
  );
  return uuids.map((uuid) => versions.get(uuid) ?? null);
}
