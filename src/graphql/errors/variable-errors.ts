import { ownValue } from '../../errors/own-value.js';
import {
  GraphQLError,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  typeFromAST,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLLeafType,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';
import { suggestionList } from 'graphql/jsutils/suggestionList.js';
import { shortened } from '../../errors/input-validation.js';
import { InvalidScalar } from '../schema/invalid-scalar.js';

/** Maximum problems per error. */
const maxProblems = 100;

/** Longer names are no misspellings, and the comparison is quadratic. */
const maxSuggestedLength = 100;

const maxReasonLength = 200;

export interface VariableErrorOptions {
  /** Omits names of a schema that is closed to introspection. */
  hidesSuggestions: boolean;
}

/** Options of graphql-js, for what `variableError` does not find. */
export const executionOptions = (hideSuggestions: boolean) => ({ hideSuggestions, options: { maxCoercionErrors: 1 } });

type Variables = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];

/**
 * The error for the invalid variables of an operation, which lists every invalid field; null if all are valid. It comes before
 * execution: graphql-js reports at most 50 problems, in texts as long as the values, and its own abort has no code.
 */
export function variableError(
  schema: GraphQLSchema,
  // Undefined if the document has no operation of the requested name, which graphql-js reports.
  operation: OperationDefinitionNode | undefined,
  variables: Variables,
  { hidesSuggestions }: VariableErrorOptions,
): GraphQLError | null {
  const problems = new VariableProblems(hidesSuggestions);
  const nodes = (operation?.variableDefinitions ?? []).filter(({ variable, type: typeNode, defaultValue }) => {
    const name = variable.name.value;
    const type = typeFromAST(schema, typeNode);
    if (!isInputType(type)) return false;
    const before = problems.found.length;
    if (Object.hasOwn(variables, name)) problems.addOf(type, ownValue(variables, name), [name]);
    else if (isNonNullType(type) && !defaultValue) problems.add([name], 'is required');
    return problems.found.length > before;
  });
  if (problems.found.length === 0) return null;
  const { message, extensions } = BadUserInput.ofFields(problems.found);
  return new GraphQLError(message, { nodes, extensions });
}

/** Collects the problems of values, up to the maximum. */
class VariableProblems {
  readonly found: FieldProblem[] = [];

  constructor(private readonly hidesSuggestions: boolean) {}

  get #isFull(): boolean {
    return this.found.length >= maxProblems;
  }

  /**
   * Adds a problem under the name that resolvers use: `row` is the index in a list of inputs, and `field` the path below the
   * variable, such as `pixels[3][7]`, or the variable itself.
   */
  add([variable, ...inner]: Path, message: string): void {
    const [first, ...rest] = inner;
    const below = typeof first === 'number' ? rest : inner;
    const field = shortened(below.length > 0 ? textOf(below) : String(variable));
    this.found.push({ ...(typeof first === 'number' ? { row: first } : {}), field, message });
  }

  /** Adds the problems of a value. */
  addOf(type: GraphQLInputType, value: unknown, path: Path): void {
    if (this.#isFull) return;
    if (isNonNullType(type)) {
      if (value === null || value === undefined) this.add(path, 'must not be null');
      else this.addOf(type.ofType, value, path);
    } else if (value === null || value === undefined) return;
    else if (isListType(type)) {
      // A value that is not a list stands for a list of it.
      if (!Array.isArray(value)) this.addOf(type.ofType, value, path);
      else for (const [index, item] of value.entries()) this.addOf(type.ofType, item, [...path, index]);
    } else if (isInputObjectType(type)) this.#addOfObject(type, value, path);
    else {
      const message = this.#leafProblem(type, value);
      if (message !== null) this.add(path, message);
    }
  }

  #addOfObject(type: GraphQLInputObjectType, value: unknown, path: Path): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.add(path, `must be an object of type ${type.name}`);
      return;
    }
    const fields = type.getFields();
    const sent = value as Record<string, unknown>;
    for (const field of Object.values(fields)) {
      if (this.#isFull) return;
      const inside = ownValue(sent, field.name);
      if (inside !== undefined) this.addOf(field.type, inside, [...path, field.name]);
      else if (isRequiredInputField(field)) this.add([...path, field.name], 'is required');
    }
    for (const name of Object.keys(sent)) {
      if (this.#isFull) return;
      if (Object.hasOwn(fields, name)) continue;
      const suggestion = this.#suggestion(name, Object.keys(fields));
      this.add([...path, name], `is not a field of ${type.name}${suggestion}`);
    }
  }

  /** Why a scalar or an enum does not accept a value; null if it does. */
  #leafProblem(type: GraphQLLeafType, value: unknown): string | null {
    try {
      return type.parseValue(value) === undefined ? `is not a ${type.name}` : null;
    } catch (error) {
      if (isEnumType(type)) {
        const names = type.getValues().map(({ name }) => name);
        return `must be a value of ${type.name}${this.#suggestion(value, names)}`;
      }
      return leafProblem(type, value, error);
    }
  }

  #suggestion(sent: unknown, known: readonly string[]): string {
    if (this.hidesSuggestions || typeof sent !== 'string' || sent.length > maxSuggestedLength) return '';
    const [nearest] = suggestionList(sent, known);
    return nearest === undefined ? '' : `; did you mean ${nearest}?`;
  }
}

/** The problem without the text of strings, which may be a password in the wrong place. */
function leafProblem(type: GraphQLLeafType, value: unknown, error: unknown): string {
  const isText = typeof value !== 'number' && typeof value !== 'boolean';
  if (isText && !(error instanceof InvalidScalar)) return `must be of type ${type.name}, not ${kindOf(value)}`;
  const reason = error instanceof Error ? error.message : String(error);
  return shortened(reason.startsWith('must ') ? withoutPeriod(reason) : `is invalid: ${reason}`, maxReasonLength);
}

const kindOf = (value: unknown): string =>
  Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;

const withoutPeriod = (text: string): string => (text.endsWith('.') ? text.slice(0, -1) : text);

const textOf = (path: Path): string =>
  path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
