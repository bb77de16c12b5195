import { HeaderMap, type GraphQLRequest, type GraphQLResponse } from '@apollo/server';
import type { FormattedExecutionResult, GraphQLFormattedError } from 'graphql';
import type { Context } from '../context/context.js';
import { createStandaloneFormatter } from '../errors/format-error.js';
import type { CoercedVariables, OperationExecutor } from '../execution/operation-executor.js';
import {
  beginStages,
  completeStages,
  respondByStages,
  type OperationRequest,
  type Stage,
  type StageHooks,
} from '../server/stages/stage.js';
import type { Logger } from '../../telemetry/logger.js';
import type { PreparedOperation } from './prepared-operations.js';

export interface PreparedExecutionOptions {
  /** Those of Apollo Server. */
  stages: readonly Stage[];
  executor: OperationExecutor;
  log: Logger;
}

/** Executes prepared operations without Apollo Server, through the same stages, with the same response. */
export class PreparedExecution {
  readonly #options: PreparedExecutionOptions;
  readonly #format: (error: unknown) => GraphQLFormattedError;

  constructor(options: PreparedExecutionOptions) {
    this.#options = options;
    this.#format = createStandaloneFormatter(options.log);
  }

  /**
   * Executes an operation.
   * @returns null, before any effect, if the operation is rejected for its size or its variables: Apollo Server then reports that
   */
  execute(prepared: PreparedOperation, sent: GraphQLRequest, contextValue: Context): Promise<GraphQLResponse> | null {
    const { stages, executor } = this.#options;
    const { schema, document, operation, hash } = prepared;
    const request: OperationRequest = {
      schema,
      document,
      operation,
      operationName: operation.name?.value ?? null,
      queryHash: hash,
      request: sent,
      contextValue,
      response: { http: { headers: new HeaderMap() } },
    };
    const begun = beginStages(stages);
    try {
      for (const { admit } of begun) admit?.(request);
    } catch {
      return null;
    }
    const { operationName, variables: variableValues } = sent;
    const variables = executor.coerce({ schema, document, operationName, variableValues });
    return 'errors' in variables ? null : this.#respond(prepared, request, variables, begun);
  }

  async #respond(
    prepared: PreparedOperation,
    request: OperationRequest,
    variables: CoercedVariables,
    begun: readonly StageHooks[],
  ): Promise<GraphQLResponse> {
    const { response } = request;
    const cached = await respondByStages(begun, request);
    if (cached) for (const [name, value] of cached.http.headers) response.http.headers.set(name, value);
    const body = cached ? cached.body : await this.#execute(prepared, request, variables);
    response.body = body;
    await completeStages(begun, request);
    return { http: response.http, body };
  }

  async #execute(
    { schema, document }: PreparedOperation,
    request: OperationRequest,
    variables: CoercedVariables,
  ): Promise<GraphQLResponse['body']> {
    const { operationName, variables: variableValues } = request.request;
    const { contextValue } = request;
    const { data, errors } = await this.#options.executor.execute(
      { schema, document, operationName, contextValue, variableValues },
      variables,
    );
    const result: FormattedExecutionResult = data === undefined ? {} : { data };
    if (!errors) return { kind: 'single', singleResult: result };
    request.errors = errors;
    return { kind: 'single', singleResult: { errors: errors.map(this.#format), ...result } };
  }
}
