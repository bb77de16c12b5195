import type { ApolloServerPlugin } from '@apollo/server';
import { unwrapResolverError } from '@apollo/server/errors';
import type { OperationDefinitionNode } from 'graphql';
import {
  markSpanFailed,
  activeSpan,
  withEntrySpan,
  withSpan,
  type Attributes,
  type Span,
} from '../../../telemetry/tracing.js';
import { toAppError } from '../../errors/to-app-error.js';
import type { Context } from '../../context/context.js';
import type { Stage } from './stage.js';

const noAttributes = (): Attributes => ({});

/** Runs an operation in a span, which over a WebSocket may be the first of its trace; `describeOperation` names it after parsing. */
export const tracedOperation = <Result>(execute: () => Result): Result =>
  withEntrySpan('GraphQL operation', noAttributes, execute);

/** Names the span of an operation by the conventions of OpenTelemetry. Records names and the hash, never the document or its variables. */
export function describeOperation(span: Span, operation: OperationDefinitionNode | undefined, hash?: string): void {
  if (hash !== undefined) span.setAttribute('graphql.document.hash', hash);
  if (!operation) return;
  const name = operation.name?.value.slice(0, maxNameLength);
  span
    .updateName(name === undefined ? operation.operation : `${operation.operation} ${name}`)
    .setAttribute('graphql.operation.type', operation.operation);
  if (name !== undefined) span.setAttribute('graphql.operation.name', name);
}

/** Records the codes of errors; marks the span failed if one is not the caller's. */
export function describeErrors(span: Span, errors: readonly OperationError[]): void {
  const codes = new Set(errors.map(codeOf));
  span.setAttribute('graphql.error.codes', [...codes].slice(0, maxCodes));
  if (errors.some(isServerError)) markSpanFailed(span);
}

/** Describes the span of an operation and its outcome. */
export const operationTrace: Stage = {
  begin: () => {
    const span = activeSpan();
    if (!span?.isRecording()) return null;
    return {
      complete: ({ operation, queryHash, errors, response }) => {
        describeOperation(span, operation, queryHash);
        if (response.http.headers.has('age')) span.setAttribute('auspex.response.cached', true);
        if (errors?.length) describeErrors(span, errors);
      },
    };
  },
};

/** Adds spans for parsing and validation, which a cached document does not need. */
export const preparationTrace: ApolloServerPlugin<Context> = {
  requestDidStart: () =>
    Promise.resolve({
      parsingDidStart: () => timed('graphql.parse'),
      validationDidStart: () => timed('graphql.validate'),
    }),
};

interface OperationError {
  extensions: { code?: unknown };
}

const maxNameLength = 100;
const maxCodes = 10;
const unknownCode = 'INTERNAL_SERVER_ERROR';

function codeOf({ extensions: { code } }: OperationError): string {
  return typeof code === 'string' ? code : unknownCode;
}

function isServerError(error: OperationError): boolean {
  const cause = toAppError(unwrapResolverError(error));
  return cause ? cause.httpStatus >= 500 : codeOf(error) === unknownCode;
}

/** A span between Apollo's two-part hooks: the returned function ends it. */
function timed(name: string): Promise<() => Promise<void>> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  void withSpan(name, noAttributes, () => promise);
  return Promise.resolve(() => {
    resolve(undefined);
    return Promise.resolve();
  });
}
