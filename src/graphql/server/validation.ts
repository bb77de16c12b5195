import {
  GraphQLError,
  isExecutableDefinitionNode,
  Kind,
  NoFragmentCyclesRule,
  specifiedRules,
  validate,
  ValuesOfCorrectTypeRule,
  type ASTVisitor,
  type DocumentNode,
  type GraphQLSchema,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';
import { maxErrors } from '../errors/limit-errors.js';
import { InvalidScalar } from '../schema/invalid-scalar.js';
import { documentLimitError, documentSize, type DocumentLimits } from './document-limits.js';

export interface ValidationOptions {
  limits: DocumentLimits;
  /** Omits names of a schema that is closed to introspection. */
  hidesSuggestions: boolean;
}

/**
 * Checks the limits of a document, which take linear time, and then validates it, which takes quadratic time in what the limits
 * bound. @returns the errors, of which the last one reports that validation was aborted if there are too many; none if it is valid
 */
export function validateDocument(
  schema: GraphQLSchema,
  document: DocumentNode,
  { limits, hidesSuggestions }: ValidationOptions,
): readonly GraphQLError[] {
  const options = validationOptions(hidesSuggestions);
  const size = documentSize(document);
  // The size of a cycle is unbounded.
  if (size.isCyclic) return validate(schema, document, [NoFragmentCyclesRule], options);
  const limitError = documentLimitError(document, size, limits);
  return limitError ? [limitError] : validate(schema, document, specificationRules, options);
}

/** For `validate`: one error less, because the abort is an error too. */
export const validationOptions = (hideSuggestions: boolean): { maxErrors: number; hideSuggestions: boolean } => ({
  maxErrors: maxErrors - 1,
  hideSuggestions,
});

/**
 * `validateDocument` as a rule for Apollo Server, which runs it beside the rules of the specification. It removes the document
 * from their traversal, so that they visit nothing. Only the rule about definitions of types has run before.
 */
export const validationRule =
  (options: ValidationOptions): ValidationRule =>
  (context) => ({
    Document(document: DocumentNode) {
      if (!document.definitions.every(isExecutableDefinitionNode)) return null;
      for (const error of validateDocument(context.getSchema(), document, options)) context.reportError(error);
      return null;
    },
  });

/** `ValuesOfCorrectTypeRule` without the text of string literals, which may be a password in the wrong place. */
function ValuesOfCorrectTypeWithoutTextRule(context: ValidationContext): ASTVisitor {
  const reportError = (error: GraphQLError): void =>
    context.reportError(hasText(error) ? withoutText(error, String(context.getInputType())) : error);
  return ValuesOfCorrectTypeRule(Object.create(context, { reportError: { value: reportError } }) as ValidationContext);
}

const specificationRules = specifiedRules.map((rule) =>
  rule === ValuesOfCorrectTypeRule ? ValuesOfCorrectTypeWithoutTextRule : rule,
);

/** Whether the message may have the text of a string. Messages about the fields of an input object have only names. */
function hasText(error: GraphQLError): boolean {
  if (error instanceof InvalidScalar || /^(?:Field|OneOf) /.test(error.message)) return false;
  const [node] = error.nodes ?? [];
  return node === undefined || kindNames.has(node.kind);
}

function withoutText({ nodes }: GraphQLError, type: string): GraphQLError {
  const found = kindNames.get(nodes?.[0]?.kind ?? Kind.STRING) ?? 'another value';
  return new GraphQLError(`Expected value of type "${type}", found ${found}.`, { nodes: nodes ?? null });
}

const kindNames = new Map<Kind, string>([
  [Kind.STRING, 'a string'],
  [Kind.LIST, 'a list'],
  [Kind.OBJECT, 'an object'],
]);
