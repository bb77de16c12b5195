import type { ApolloServerPlugin, GraphQLRequestContext, GraphQLResponse } from '@apollo/server';
import type { GraphQLError } from 'graphql';
import type { Context } from '../../context/context.js';
import { isPromise } from '../../execution/promises.js';

/** An operation in flight: what Apollo Server and prepared operations both know of it. */
export interface OperationRequest extends Pick<
  GraphQLRequestContext<Context>,
  'schema' | 'document' | 'operation' | 'operationName' | 'queryHash' | 'request' | 'contextValue' | 'response'
> {
  /** As they were thrown. */
  errors?: readonly GraphQLError[];
}

/** What a stage does with one operation, at three fixed points. A promise is returned only where there is something to wait for. */
export interface StageHooks {
  /** Once the operation is valid, before anything else. Has no effect but to throw. @throws GraphQLError that rejects the operation */
  admit?: (request: OperationRequest) => void;
  /** Before the operation is executed. A response replaces the execution and the later stages' `respond`. */
  respond?: (request: OperationRequest) => GraphQLResponse | null | Promise<GraphQLResponse | null>;
  /** Before the response is sent. */
  complete?: (request: OperationRequest) => void | Promise<void>;
}

/**
 * A guard or an observer of queries and mutations. The same stages run in the same order whether Apollo Server executes an operation or
 * it is prepared.
 */
export interface Stage {
  /** Called once for each operation, when it arrives. @returns null if the stage has nothing to do with it */
  begin: () => StageHooks | null;
}

export const beginStages = (stages: readonly Stage[]): StageHooks[] => stages.flatMap((stage) => stage.begin() ?? []);

/** The response of the first stage that has one; null if the operation is to be executed. */
export async function respondByStages(
  begun: readonly StageHooks[],
  request: OperationRequest,
): Promise<GraphQLResponse | null> {
  for (const { respond } of begun) {
    const responding = respond?.(request) ?? null;
    const response = isPromise(responding) ? await responding : responding;
    if (response) return response;
  }
  return null;
}

/** Completes all stages. Those that return promises run at the same time. @returns null if there is nothing to wait for */
export function completeStages(begun: readonly StageHooks[], request: OperationRequest): Promise<unknown> | null {
  const pending = begun.flatMap(({ complete }) => complete?.(request) ?? []);
  return pending.length > 0 ? Promise.all(pending) : null;
}

/** The stages as one plugin of Apollo Server, each of whose hooks costs time in every request. */
export const stagesPlugin = (stages: readonly Stage[]): ApolloServerPlugin<Context> => ({
  requestDidStart: () => {
    const begun = beginStages(stages);
    return Promise.resolve({
      // eslint-disable-next-line @typescript-eslint/require-await -- Apollo Server expects a rejected promise where a stage throws
      didResolveOperation: async (request) => {
        for (const { admit } of begun) admit?.(request);
      },
      responseForOperation: (request) => respondByStages(begun, request),
      willSendResponse: async (request) => {
        await completeStages(begun, request);
      },
    });
  },
});
