import type { GraphQLSchema } from 'graphql';
import { contractProblems, type FeltChange } from '../../../contract/contract.js';
import { inWords, liveDocumentsIn } from '../../../contract/words.js';
import type { LiveDocument } from '../../../documents/trusted-documents.js';
import { extendedSchema } from '../../../graphql/schema.js';
import type { Model, Predictor } from '../../../inference/predictor.js';
import { Conflict } from '../../../shared/errors.js';
import type { Logger } from '../../../shared/logger.js';
import { typedField } from './fields.js';
import { queryNameOf } from './names.js';
import { shapeOf, typedModel } from './typed-model.js';

export interface SignatureContractOptions {
  predictor: Pick<Predictor, 'models' | 'onChange'>;
  /** The schema of the domains alone. */
  baseSchema: GraphQLSchema;
  liveDocuments: () => readonly LiveDocument[];
  log: Logger;
  /** Changes of models that come together are told together, so long after the first. */
  joinMs?: number;
}

/** Documents that a refusal or a line of the log lists. */
const maxListed = 20;
/** Documents that a message tells of. */
const maxTold = 3;

/**
 * Keeps live documents from being broken unnoticed by the typed fields of models. A promotion can be refused; a model that
 * changes on disk cannot, and is told loudly in the log.
 */
export class SignatureContract {
  readonly #options: Required<SignatureContractOptions>;
  readonly #unsubscribe: () => void;
  #told: { shapes: string; models: readonly Model[] };
  #next: NodeJS.Timeout | null = null;

  constructor(options: SignatureContractOptions) {
    this.#options = { joinMs: 1_000, ...options };
    this.#told = this.#now();
    this.#unsubscribe = options.predictor.onChange(() => {
      this.#next ??= setTimeout(() => {
        this.#next = null;
        void this.#tell();
      }, this.#options.joinMs).unref();
    });
  }

  /**
   * Whether a version may become the current one.
   * @throws Conflict where a live document would break; `documents` lists them
   */
  async assertKept(model: Model, version: number): Promise<void> {
    const { predictor, baseSchema, liveDocuments } = this.#options;
    const candidate = model.versions.find((served) => served.version === version);
    if (!candidate || shapeOf(typedModel(model)) === shapeOf(typedModel(model, candidate))) return;
    const models = predictor.models();
    const changed = models.map((one) => (one.name === model.name ? { ...one, current: candidate } : one));
    const { felt } = await contractProblems(typedSchema(baseSchema, models), typedSchema(baseSchema, changed), liveDocuments());
    if (felt.length === 0) return;
    const told = `Version ${version} of ${model.name} has other inputs or outputs, which would break ${inShort(felt)}`;
    throw new Conflict(`${told} Give these clients documents that fit first, or repeat with evenIfDocumentsBreak: true.`, { documents: listed(felt) });
  }

  /** Follows the models no more. */
  close(): void {
    this.#unsubscribe();
    if (this.#next) clearTimeout(this.#next);
  }

  async #tell(): Promise<void> {
    const { baseSchema, liveDocuments, log } = this.#options;
    try {
      const [before, now] = [this.#told, this.#now()];
      this.#told = now;
      if (before.shapes === now.shapes) return;
      const { felt } = await contractProblems(typedSchema(baseSchema, before.models), typedSchema(baseSchema, now.models), liveDocuments());
      if (felt.length > 0) log.error({ documents: listed(felt) }, `The models have other inputs or outputs, which breaks ${inShort(felt)}`);
    } catch (error) {
      log.error({ err: error }, 'what live documents feel of the changed models cannot be told');
    }
  }

  #now(): { shapes: string; models: readonly Model[] } {
    const models = this.#options.predictor.models();
    return { shapes: JSON.stringify(models.map((model) => [model.name, shapeOf(typedModel(model))])), models };
  }
}

/** The schema with the fields of these models, to be looked at and not to be asked. */
function typedSchema(base: GraphQLSchema, models: readonly Model[]): GraphQLSchema {
  const fields = models.map((model) => [queryNameOf(model.name), typedField(typedModel(model), base, () => Promise.resolve([]))] as const);
  return extendedSchema(base, [Object.fromEntries(fields)]);
}

/** One entry for each document, with the first thing that it feels. */
function firstOfEach(felt: readonly FeltChange[]): FeltChange[] {
  return [...Map.groupBy(felt, ({ document }) => document).values()].flatMap((ofDocument) => ofDocument.slice(0, 1));
}

function inShort(felt: readonly FeltChange[]): string {
  const each = firstOfEach(felt);
  const rest = each.length > maxTold ? ` And ${each.length - maxTold} more.` : '';
  return `${liveDocumentsIn(felt)}: ${each.slice(0, maxTold).map(inWords).join(' ')}${rest}`;
}

const listed = (felt: readonly FeltChange[]) =>
  firstOfEach(felt)
    .slice(0, maxListed)
    .map(({ document: { client, version, id }, operation, line, column, message }) => ({ client, version, id, operation, line, column, message }));
