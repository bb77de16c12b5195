import { setImmediate as nextTurn } from 'node:timers/promises';
import { locatedError, type FieldNode, type FragmentDefinitionNode, type GraphQLError } from 'graphql';
import type { GraphQLResolveInfo, OperationDefinitionNode } from 'graphql';

/** A position in the response, from the inside out, as graphql-js passes it to resolvers. */
export type Path = GraphQLResolveInfo['path'];

/** JSON text, or a promise of it where a resolver returned a promise. */
export type Written = string | Promise<string>;

/** What is the same in each execution of an operation. */
export interface OperationParts {
  operation: OperationDefinitionNode;
  fragments: Record<string, FragmentDefinitionNode>;
}

/** What an execution is called with. */
export interface ExecutionInput {
  contextValue: unknown;
  /** Coerced. */
  variableValues: Record<string, unknown>;
  /** The event of a subscription; undefined for queries and mutations. */
  rootValue?: unknown;
  /** Errors that are located; the others are only counted. */
  maxErrors?: number;
}

/** Characters that are written in one turn of the event loop: one to three milliseconds. */
const charactersPerTurn = 131_072;

/** The state of one execution. */
export class Run {
  readonly operation: OperationDefinitionNode;
  readonly fragments: Record<string, FragmentDefinitionNode>;
  readonly contextValue: unknown;
  readonly variableValues: Record<string, unknown>;
  readonly rootValue: unknown;
  readonly errors: CollectedErrors;
  /** Characters written in this turn of the event loop, roughly. */
  spent = 0;
  #turn: Promise<void> | null = null;

  constructor(
    { operation, fragments }: OperationParts,
    { contextValue, variableValues, rootValue, maxErrors = Infinity }: ExecutionInput,
  ) {
    this.operation = operation;
    this.fragments = fragments;
    this.contextValue = contextValue;
    this.variableValues = variableValues;
    this.rootValue = rootValue;
    this.errors = new CollectedErrors(maxErrors);
  }

  /** Whether lists pause before their next item, so that a large response does not delay other requests. */
  get isTurnSpent(): boolean {
    return this.spent >= charactersPerTurn;
  }

  /** Waits for a turn in which this execution may write. Its lists share the turns. */
  async pause(): Promise<void> {
    while (this.isTurnSpent) {
      this.#turn ??= nextTurn().then(() => {
        this.#turn = null;
        this.spent = 0;
      });
      await this.#turn;
    }
  }
}

/** The errors of an execution, without those below a position that an earlier error made null. */
export class CollectedErrors {
  readonly located: GraphQLError[] = [];
  /** The number of errors after the located ones. */
  omitted = 0;
  readonly #max: number;
  #positions: Set<Path | undefined> | null = null;

  constructor(max: number) {
    this.#max = max;
  }

  /** Adds the error that makes a position null. */
  add(error: unknown, nodes: readonly FieldNode[], path: Path): void {
    if (!this.#isFirst(path)) return;
    // An error is expensive: it has a stack, and its location is searched for in the document.
    if (this.located.length >= this.#max) this.omitted += 1;
    else this.located.push(located(error, nodes, path));
  }

  /** Adds the error that makes the whole data null. graphql-js has located it, unless no field could be selected. */
  addOfRoot(error: unknown): void {
    if (!this.#isFirst(undefined)) return;
    if (this.located.length >= this.#max) this.omitted += 1;
    else this.located.push(error as GraphQLError);
  }

  /** Whether no earlier error made the position null. */
  #isFirst(path: Path | undefined): boolean {
    const positions = (this.#positions ??= new Set());
    for (let at = path; at !== undefined; at = at.prev) if (positions.has(at)) return false;
    if (positions.has(undefined)) return false;
    positions.add(path);
    return true;
  }
}

/** The error with its position in the document and the response; unchanged if it has one. */
export const located = (error: unknown, nodes: readonly FieldNode[], path: Path): GraphQLError =>
  locatedError(error, nodes, keysOf(path));

function keysOf(path: Path): (string | number)[] {
  const keys = [];
  for (let at: Path | undefined = path; at !== undefined; at = at.prev) keys.push(at.key);
  return keys.reverse();
}
