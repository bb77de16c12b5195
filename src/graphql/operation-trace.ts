import type { ApolloServerPlugin } from '@apollo/server';
import { unwrapResolverError } from '@apollo/server/errors';
import type { OperationDefinitionNode } from 'graphql';
import { noteFault, spanHere, traced, type Attributes, type Span } from '../shared/tracing.js';
import { appErrorOf } from './app-error.js';
import type { Context } from './context.js';

const nothing = (): Attributes => ({});

/** The span of an operation, whatever it comes by. Its name is known once the document is read. */
export const tracedOperation = <Answer>(answer: () => Answer): Answer => traced('GraphQL operation', nothing, answer);

/** Which operation a span is of, by the conventions of OpenTelemetry: names and the document's hash, never the document or its variables. */
export function describeOperation(span: Span, operation: OperationDefinitionNode | undefined, hash?: string): void {
  if (hash !== undefined) span.setAttribute('graphql.document.hash', hash);
  if (!operation) return;
  const name = operation.name?.value.slice(0, maxNameLength);
  span.updateName(name === undefined ? operation.operation : `${operation.operation} ${name}`).setAttribute('graphql.operation.type', operation.operation);
  if (name !== undefined) span.setAttribute('graphql.operation.name', name);
}

/** The codes of an answer's errors; it failed where one of them is no caller's doing. */
export function describeErrors(span: Span, errors: readonly AnswerError[]): void {
  const codes = new Set(errors.map(codeOf));
  span.setAttribute('graphql.error.codes', [...codes].slice(0, maxCodes));
  if (errors.some(isFault)) noteFault(span);
}

/** Names the span of an operation and tells how it ended. Parsing and validating have spans where the document was not known. */
export const operationTrace: ApolloServerPlugin<Context> = {
  requestDidStart: () => {
    const span = spanHere();
    if (!span?.isRecording()) return Promise.resolve();
    return Promise.resolve({
      parsingDidStart: () => timed('graphql.parse'),
      validationDidStart: () => timed('graphql.validate'),
      willSendResponse: ({ operation, queryHash, errors, response }) => {
        describeOperation(span, operation, queryHash);
        if (response.http.headers.has('age')) span.setAttribute('auspex.answer.kept', true);
        if (errors?.length) describeErrors(span, errors);
        return Promise.resolve();
      },
    });
  },
};

interface AnswerError {
  extensions: { code?: unknown };
}

const maxNameLength = 100;
const maxCodes = 10;
const unknownCode = 'INTERNAL_SERVER_ERROR';

function codeOf({ extensions: { code } }: AnswerError): string {
  return typeof code === 'string' ? code : unknownCode;
}

function isFault(error: AnswerError): boolean {
  const cause = appErrorOf(unwrapResolverError(error));
  return cause ? cause.httpStatus >= 500 : codeOf(error) === unknownCode;
}

/** Apollo's hooks of two parts: the second is called when it is done. */
function timed(name: string): Promise<() => Promise<void>> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  void traced(name, nothing, () => promise);
  return Promise.resolve(() => {
    resolve(undefined);
    return Promise.resolve();
  });
}
