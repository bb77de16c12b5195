import { extendSchema, type DocumentNode, type GraphQLFieldConfigMap, type GraphQLSchema } from 'graphql';
import {
  checkCompatibility,
  countLiveDocuments,
  describeAffected,
  type AffectedDocument,
} from '../schema-compatibility/schema-compatibility.js';
import type { LiveDocument } from '../persisted-documents/trusted-documents.js';
import { extendedSchema } from '../graphql/schema/build-schema.js';
import type { Context } from '../graphql/context/context.js';
import type { Model, Predictor } from '../inference/serving/predictor.js';
import { Conflict } from '../errors/app-error.js';
import type { Logger } from '../telemetry/logger.js';
import { typedField } from './typed-field.js';
import { queryNameOf } from './names.js';
import { shapeOf, typedModel } from './typed-model.js';

export interface SignatureCompatibilityOptions {
  predictor: Pick<Predictor, 'models' | 'onChange'>;
  /** The schema of the domains without models. */
  baseSchema: GraphQLSchema;
  /** The fields that models bind to types, with the types of their values; null if there are none. */
  boundTypes: (models: readonly Model[]) => DocumentNode | null;
  liveDocuments: () => readonly LiveDocument[];
  log: Logger;
  /** Changes within this time after the first are reported together. */
  joinMs?: number;
}

/** Documents listed in an error or log line. */
const maxListed = 20;
/** Documents described in a message. */
const maxDescribed = 3;

/**
 * Detects live documents that a changed signature of a model breaks. Such a promotion is rejected; a change on disk cannot
 * be, and is logged as an error.
 */
export class SignatureCompatibility {
  readonly #options: Required<SignatureCompatibilityOptions>;
  readonly #unsubscribe: () => void;
  #reported: { shapes: string; models: readonly Model[] };
  #next: NodeJS.Timeout | null = null;

  constructor(options: SignatureCompatibilityOptions) {
    this.#options = { joinMs: 1_000, ...options };
    this.#reported = this.#now();
    this.#unsubscribe = options.predictor.onChange(() => {
      this.#next ??= setTimeout(() => {
        this.#next = null;
        void this.#report();
      }, this.#options.joinMs).unref();
    });
  }

  /**
   * Checks whether a version may become current.
   * @throws Conflict if a live document would break; `documents` lists them
   */
  async assertCompatible(model: Model, version: number): Promise<void> {
    const { predictor, liveDocuments } = this.#options;
    const candidate = model.versions.find((served) => served.version === version);
    if (!candidate || shapeOf(typedModel(model)) === shapeOf(typedModel(model, candidate))) return;
    const models = predictor.models();
    const changed = models.map((one) => (one.name === model.name ? { ...one, current: candidate } : one));
    const { affected } = await checkCompatibility(this.#schemaOf(models), this.#schemaOf(changed), liveDocuments());
    if (affected.length === 0) return;
    throw new Conflict(
      `Version ${version} of ${model.name} has other inputs or outputs, which would break ${summarize(affected)} Publish matching documents for these clients first, or repeat with allowBreakingChanges: true.`,
      { documents: listed(affected) },
    );
  }

  /** Stops following the models. */
  close(): void {
    this.#unsubscribe();
    if (this.#next) clearTimeout(this.#next);
  }

  async #report(): Promise<void> {
    const { liveDocuments, log } = this.#options;
    try {
      const [before, now] = [this.#reported, this.#now()];
      this.#reported = now;
      if (before.shapes === now.shapes) return;
      const { affected } = await checkCompatibility(
        this.#schemaOf(before.models),
        this.#schemaOf(now.models),
        liveDocuments(),
      );
      if (affected.length > 0)
        log.error(
          { documents: listed(affected) },
          `The models have other inputs or outputs, which breaks ${summarize(affected)}`,
        );
    } catch (error) {
      log.error({ err: error }, 'compatibility check of changed models failed');
    }
  }

  #now(): { shapes: string; models: readonly Model[] } {
    const models = this.#options.predictor.models();
    const shapes = models.map((model) => [model.name, shapeOf(typedModel(model)), model.bindings]);
    return { shapes: JSON.stringify(shapes), models };
  }

  /** The schema with the fields of these models; for validation, not for execution. */
  #schemaOf(models: readonly Model[]): GraphQLSchema {
    const { baseSchema, boundTypes } = this.#options;
    const typed = models
      .filter(({ isTyped }) => isTyped)
      .map((model) => [queryNameOf(model.name), typedField(typedModel(model), baseSchema, () => Promise.resolve([]))]);
    const schema = extendedSchema(baseSchema, [Object.fromEntries(typed) as GraphQLFieldConfigMap<unknown, Context>]);
    const bound = boundTypes(models);
    return bound ? extendSchema(schema, bound, { assumeValid: true }) : schema;
  }
}

/** The first finding of each document. */
function firstOfEach(affected: readonly AffectedDocument[]): AffectedDocument[] {
  return [...Map.groupBy(affected, ({ document }) => document).values()].flatMap((ofDocument) =>
    ofDocument.slice(0, 1),
  );
}

function summarize(affected: readonly AffectedDocument[]): string {
  const each = firstOfEach(affected);
  const rest = each.length > maxDescribed ? ` And ${each.length - maxDescribed} more.` : '';
  return `${countLiveDocuments(affected)}: ${each.slice(0, maxDescribed).map(describeAffected).join(' ')}${rest}`;
}

const listed = (affected: readonly AffectedDocument[]) =>
  firstOfEach(affected)
    .slice(0, maxListed)
    .map(({ document: { client, version, id }, operation, line, column, message }) => ({
      client,
      version,
      id,
      operation,
      line,
      column,
      message,
    }));
