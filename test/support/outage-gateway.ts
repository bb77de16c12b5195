import { startProgram, type TestProcess } from './process.js';

/** A gateway in a separate process, for tests in which its dependencies fail. */
export interface OutageGateway {
  url: string;
  process: TestProcess;
  /** Parsed log lines. */
  logs: () => Record<string, unknown>[];
  /** Whether `/readyz` reports a part as up. */
  isUp: (part: 'database' | 'cache' | 'models') => Promise<boolean>;
  /**
   * Stops it with SIGTERM.
   * @throws Error if it has already exited, or exits with none of `expected`, exit codes or signals
   */
  stop: (expected?: readonly (number | NodeJS.Signals)[]) => Promise<void>;
}

export interface OutageGatewayOptions {
  databaseUrl: string;
  modelStore: string;
  /** An existing folder. */
  dir: string;
  env?: Record<string, string>;
  nodeArgs?: string[];
}

/** Short enough for tests to wait for; the defaults are several times as long. */
export const timeouts = { connectionMs: 1_000, statementMs: 1_500, graceMs: 1_000 };

/** Starts a gateway with the demo data, short timeouts, and no caches that would hide an outage. */
export async function startOutageGateway({
  databaseUrl,
  modelStore,
  dir,
  env = {},
  nodeArgs = [],
}: OutageGatewayOptions): Promise<OutageGateway> {
  const started = startProgram('main.js', {
    cwd: dir,
    nodeArgs,
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: dir,
      JWT_SECRET: 'kHq3v9ZtL0mWcXy7RbNfD2sPaGjUeTiO4w',
      DATABASE_URL: databaseUrl,
      DATABASE_POOL_SIZE: '5',
      DATABASE_CONNECTION_TIMEOUT_MS: String(timeouts.connectionMs),
      DATABASE_STATEMENT_TIMEOUT_MS: String(timeouts.statementMs),
      DEMO_DATA: 'true',
      MODEL_STORE: modelStore,
      MODEL_STORE_POLL_MS: '200',
      INFERENCE_THREADS: '2',
      RESPONSE_CACHE: 'false',
      QUERY_CACHE: 'false',
      RATE_LIMIT_PER_VIEWER: '0',
      RATE_LIMIT_PER_ADDRESS: '0',
      RATE_LIMIT_PREDICTION_ROWS: '0',
      MAX_CONNECTIONS_PER_ADDRESS: '0',
      MAX_PENDING_SOCKETS: '100000',
      LOG_LEVEL: 'info',
      ...env,
    },
  });
  const url = await started.ready();
  let hasExited = false;
  void started.ended.then(() => (hasExited = true));
  return {
    url,
    process: started,
    logs: () =>
      started
        .stdout()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    async isUp(part) {
      const response = await fetch(url.replace('/graphql', '/readyz'));
      const { parts } = (await response.json()) as { parts: Record<string, { isUp: boolean }> };
      return parts[part]?.isUp === true;
    },
    async stop(expected = [0]) {
      if (hasExited) throw new Error(`The gateway has already exited.\n${started.stderr()}`);
      started.signal('SIGTERM');
      const exit = await started.ended;
      if (!expected.includes(exit)) throw new Error(`The gateway exited with ${exit}.\n${started.stderr()}`);
    },
  };
}
