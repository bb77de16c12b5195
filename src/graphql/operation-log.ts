import type { ApolloServerPlugin } from '@apollo/server';
import type { Context } from './context.js';

/** One line an operation: its name, who asked, how long it took, whether the answer was kept from before, and the codes of its errors. Never its variables. */
export const operationLog: ApolloServerPlugin<Context> = {
  requestDidStart: ({ contextValue }) => {
    if (!contextValue.log.isLevelEnabled('info')) return Promise.resolve();
    const start = performance.now();
    return Promise.resolve({
      willSendResponse: ({ operation, operationName, errors, response }) => {
        const { viewer, log } = contextValue;
        log.info(
          {
            operation: operationName ?? null,
            type: operation?.operation,
            viewer: viewer.kind === 'stranger' ? null : viewer.userId,
            durationMs: Math.round((performance.now() - start) * 100) / 100,
            ...(response.http.headers.has('age') ? { isKept: true } : {}),
            ...(errors?.length ? { errors: errors.slice(0, 10).map((error) => error.extensions.code ?? 'INTERNAL_SERVER_ERROR') } : {}),
          },
          'operation',
        );
        return Promise.resolve();
      },
    });
  },
};
