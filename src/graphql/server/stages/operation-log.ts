import { withoutRedaction, type Logger } from '../../../telemetry/logger.js';
import type { Context } from '../../context/context.js';
import { viewerId } from '../../relay/global-id.js';
import type { Stage, StageHooks } from './stage.js';

/** The fields that log lines of operations and streams have in common: who calls, with which program, from where, and how. */
export const callerFields = ({ viewer, client, address, transport }: Caller) => ({
  viewer: viewerId(viewer),
  client: client.name,
  clientVersion: client.version,
  address,
  transport,
});

type Caller = Pick<Context, 'viewer' | 'client' | 'address' | 'transport'>;

const maxLoggedErrors = 10;

/** An operation whose response is about to be sent. */
interface LoggedOperation {
  /** The name; null if it has none or is unknown. */
  operation: string | null;
  type?: string | undefined;
  /** The codes that the client receives. */
  codes: readonly unknown[];
  startMs: number;
  isCached?: boolean;
}

/** Logs one line per operation: name, caller, duration, whether the response was cached, and error codes; never the variables. */
export class OperationLog implements Stage {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = withoutRedaction(log);
  }

  begin(): StageHooks | null {
    if (!this.#log.isLevelEnabled('info')) return null;
    const startMs = performance.now();
    return {
      complete: ({ operation, operationName, response, contextValue }) => {
        // The formatted errors: what was thrown may be a database error, without the code that the client receives.
        const errors = response.body?.kind === 'single' ? (response.body.singleResult.errors ?? []) : [];
        this.write(contextValue, {
          operation: operationName ?? null,
          type: operation?.operation,
          codes: errors.map(({ extensions }) => extensions?.code),
          startMs,
          isCached: response.http.headers.has('age'),
        });
      },
    };
  }

  /** Logs an operation, also one that was rejected before it was executed. */
  write(
    context: Caller & Pick<Context, 'requestId'>,
    { operation, type, codes, startMs, isCached = false }: LoggedOperation,
  ): void {
    this.#log.info(
      {
        requestId: context.requestId,
        operation,
        type,
        ...callerFields(context),
        durationMs: Math.round((performance.now() - startMs) * 100) / 100,
        ...(isCached ? { isCached } : {}),
        ...(codes.length > 0 ? { errors: codes.slice(0, maxLoggedErrors) } : {}),
      },
      'operation',
    );
  }
}
