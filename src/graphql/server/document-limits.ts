import {
  GraphQLError,
  Kind,
  TokenKind,
  type OperationDefinitionNode,
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** Maximum sizes of a document, which do not depend on variables. */
export interface DocumentLimits {
  depth: number;
  aliases: number;
  rootFields: number;
  fields: number;
  directives: number;
}

/**
 * The size of a document. The largest operation decides on depth, aliases and root fields. Fields and directives are those of all
 * operations. The selections of a fragment count at each spread, also those that `@skip` or `@include` excludes.
 */
export interface DocumentSize extends DocumentLimits {
  /** The most directives at one location. */
  directivesAtOneLocation: number;
  /** Whether fragments spread each other in a cycle; the size does not count the repetitions. */
  isCyclic: boolean;
}

/** The setting of each limit, and what it limits. */
const limitTexts = {
  depth: { setting: 'MAX_QUERY_DEPTH', what: 'nests deeper than' },
  aliases: { setting: 'MAX_QUERY_ALIASES', what: 'uses more aliases than' },
  rootFields: { setting: 'MAX_ROOT_FIELDS', what: 'selects more root fields than' },
  fields: { setting: 'MAX_QUERY_FIELDS', what: 'selects, with fragments at each spread, more fields than' },
  directives: { setting: 'MAX_QUERY_DIRECTIVES', what: 'uses more directives than' },
  cost: { setting: 'MAX_QUERY_COST', what: 'may return more objects than' },
};

export type LimitName = keyof typeof limitTexts;

/** Longer names and numbers are rejected: errors repeat them. */
const maxTokenLength = 200;

/** More directives at one location are rejected, whatever their number in the document. */
const maxDirectivesAtOneLocation = 5;

/** Fragments in fragments beyond this count as unbounded, for the call stack; 2000 tokens are at most 250 fragments. */
const maxNesting = 300;

/**
 * Repetitions of a response name that validation compares, per permitted field. Comparing takes quadratic time: 100 selections of
 * one name are 4950 comparisons.
 */
const comparisonsPerField = 10;

/**
 * Checks the size of a document before it is validated, in linear time.
 * @returns the error of the first exceeded limit; null if there is none
 */
export function documentLimitError(
  document: DocumentNode,
  size: DocumentSize,
  limits: DocumentLimits,
): GraphQLError | null {
  for (const name of ['depth', 'aliases', 'rootFields', 'fields', 'directives'] as const) {
    if (size[name] > limits[name]) return limitError(name, size[name], limits[name]);
  }
  if (size.directivesAtOneLocation > maxDirectivesAtOneLocation)
    return tooLarge(
      `The document has more than ${maxDirectivesAtOneLocation} directives at one location (${size.directivesAtOneLocation}); remove repeated ones.`,
      { limit: 'directives', maximum: maxDirectivesAtOneLocation },
    );
  if (hasLongToken(document))
    return tooLarge(`A name or number in the document has more than ${maxTokenLength} characters; shorten it.`, {
      limit: 'tokens',
      maximum: maxTokenLength,
    });
  const maxComparisons = limits.fields * comparisonsPerField;
  if (!repeatsWithin(document, maxComparisons))
    return tooLarge(
      `The document repeats its fields or fragments too often, for the limit of ${limits.fields} fields (MAX_QUERY_FIELDS); select each once.`,
      { limit: 'fields', maximum: limits.fields },
    );
  return null;
}

/** The error for an exceeded limit. */
export function limitError(name: LimitName, actual: number, limit: number): GraphQLError {
  const { setting, what } = limitTexts[name];
  const advice =
    name === 'cost' ? 'request smaller pages or fewer rows, or split the operation' : 'split the operation';
  const found = Number.isSafeInteger(actual) ? String(actual) : 'unbounded';
  return tooLarge(`The operation ${what} ${limit} (${found}); ${advice}. The limit is ${setting}.`, {
    limit: name,
    maximum: limit,
  });
}

const tooLarge = (message: string, extensions: { limit: string; maximum: number }): GraphQLError =>
  new GraphQLError(message, { extensions: { code: 'QUERY_TOO_LARGE', ...extensions, http: { status: 400 } } });

/** Measures a document in linear time: each fragment is measured once. */
export const documentSize = (document: DocumentNode): DocumentSize => new DocumentMeasure(document).size();

interface SelectionSize {
  depth: number;
  aliases: number;
  /** Fields of the outermost selection. */
  rootFields: number;
  fields: number;
  directives: number;
}

const nothing: SelectionSize = { depth: 0, aliases: 0, rootFields: 0, fields: 0, directives: 0 };

class DocumentMeasure {
  readonly #document: DocumentNode;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** Null while the fragment is being measured. */
  readonly #measured = new Map<string, SelectionSize | null>();
  readonly #spread = new Set<string>();
  #isCyclic = false;
  #nesting = 0;
  #directivesAtOneLocation = 0;

  constructor(document: DocumentNode) {
    this.#document = document;
    this.#fragments = fragmentsOf(document);
  }

  size(): DocumentSize {
    const total = { ...nothing };
    const fragments: FragmentDefinitionNode[] = [];
    for (const definition of this.#document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.push(definition);
      else if (definition.kind === Kind.OPERATION_DEFINITION) addOperation(total, this.#definition(definition));
    }
    // Validation visits fragments that are unused, or whose name a later one repeats.
    for (const fragment of fragments) {
      const name = fragment.name.value;
      if (this.#fragments.get(name) !== fragment) addFields(total, this.#definition(fragment));
      else if (!this.#spread.has(name)) addFields(total, this.#fragment(name));
    }
    return { ...total, isCyclic: this.#isCyclic, directivesAtOneLocation: this.#directivesAtOneLocation };
  }

  #definition(definition: OperationDefinitionNode | FragmentDefinitionNode): SelectionSize {
    const inside = this.#selections(definition.selectionSet);
    const variables = definition.kind === Kind.OPERATION_DEFINITION ? (definition.variableDefinitions ?? []) : [];
    const onVariables = variables.reduce((count, { directives }) => count + this.#directives(directives), 0);
    return { ...inside, directives: inside.directives + this.#directives(definition.directives) + onVariables };
  }

  #selections(set: SelectionSetNode): SelectionSize {
    const total = { ...nothing };
    for (const selection of set.selections) {
      const inside = this.#selection(selection);
      total.depth = Math.max(total.depth, inside.depth);
      total.aliases += inside.aliases;
      total.rootFields += inside.rootFields;
      total.fields += inside.fields + 1;
      total.directives += inside.directives + this.#directives(selection.directives);
    }
    return total;
  }

  /** The size of what a selection contains. */
  #selection(selection: SelectionNode): SelectionSize {
    if (selection.kind === Kind.INLINE_FRAGMENT) return this.#selections(selection.selectionSet);
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      this.#spread.add(selection.name.value);
      return this.#fragment(selection.name.value);
    }
    const inside = selection.selectionSet ? this.#selections(selection.selectionSet) : nothing;
    return {
      ...inside,
      // Tools introspect with deep nesting; the response is bounded by the size of the schema.
      depth: isIntrospection(selection) ? 1 : inside.depth + 1,
      aliases: inside.aliases + (selection.alias ? 1 : 0),
      rootFields: 1,
    };
  }

  #fragment(name: string): SelectionSize {
    const known = this.#measured.get(name);
    if (known === null) this.#isCyclic = true;
    if (known !== undefined) return known ?? nothing;
    const fragment = this.#fragments.get(name);
    if (this.#nesting >= maxNesting) return { ...nothing, fields: Infinity };
    this.#nesting += 1;
    this.#measured.set(name, null);
    const size = fragment ? this.#definition(fragment) : nothing;
    this.#measured.set(name, size);
    this.#nesting -= 1;
    return size;
  }

  #directives(directives: readonly DirectiveNode[] = []): number {
    this.#directivesAtOneLocation = Math.max(this.#directivesAtOneLocation, directives.length);
    return directives.length;
  }
}

function addOperation(total: SelectionSize, operation: SelectionSize): void {
  total.depth = Math.max(total.depth, operation.depth);
  total.aliases = Math.max(total.aliases, operation.aliases);
  total.rootFields = Math.max(total.rootFields, operation.rootFields);
  addFields(total, operation);
}

function addFields(total: SelectionSize, { fields, directives }: SelectionSize): void {
  total.fields += fields;
  total.directives += directives;
}

const isIntrospection = ({ name }: FieldNode): boolean => name.value === '__schema' || name.value === '__type';

function fragmentsOf({ definitions }: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  return fragments;
}

function hasLongToken({ loc }: DocumentNode): boolean {
  for (let token = loc?.startToken ?? null; token !== null; token = token.next) {
    const isNameOrNumber =
      token.kind === TokenKind.NAME || token.kind === TokenKind.INT || token.kind === TokenKind.FLOAT;
    if (isNameOrNumber && token.end - token.start > maxTokenLength) return true;
  }
  return false;
}

/**
 * Whether validation compares at most this number of pairs of fields with one response name. It merges the selections of each definition
 * as an executor does, which takes linear time in the number of fields with fragments at each spread.
 */
function repeatsWithin(document: DocumentNode, maxComparisons: number): boolean {
  const fragments = fragmentsOf(document);
  let comparisons = 0;
  const merge = (sets: readonly SelectionSetNode[]): boolean => {
    const fields = new Map<string, FieldNode[]>();
    for (const set of sets) collectFields(set, fragments, fields);
    for (const same of fields.values()) {
      comparisons += (same.length * (same.length - 1)) / 2;
      if (comparisons > maxComparisons) return false;
      const inside = same.flatMap(({ selectionSet }) => selectionSet ?? []);
      if (inside.length > 0 && !merge(inside)) return false;
    }
    return true;
  };
  return document.definitions.every(
    (definition) => !('selectionSet' in definition) || merge([definition.selectionSet]),
  );
}

/** Adds the fields of a selection set by response name, with those of its fragments. */
function collectFields(
  { selections }: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  fields: Map<string, FieldNode[]>,
): void {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      const name = (selection.alias ?? selection.name).value;
      const same = fields.get(name);
      if (same) same.push(selection);
      else fields.set(name, [selection]);
      continue;
    }
    const inside =
      selection.kind === Kind.INLINE_FRAGMENT
        ? selection.selectionSet
        : fragments.get(selection.name.value)?.selectionSet;
    if (inside) collectFields(inside, fragments, fields);
  }
}
