import { startProgram, type TestProcess } from './process.js';

/** A gateway as a process of its own, for a test that lets things go wrong around it. */
export interface FaultGateway {
  url: string;
  process: TestProcess;
  /** What it has logged, a parsed line each. */
  logs: () => Record<string, unknown>[];
  /** How often a part of it was found up by `/readyz`. */
  isUp: (part: 'database' | 'cache' | 'models') => Promise<boolean>;
  /** Ends it as its supervisor would. @throws Error where it has ended before, or in another way than it may */
  stop: (ways?: readonly (number | NodeJS.Signals)[]) => Promise<void>;
}

export interface FaultGatewayOptions {
  databaseUrl: string;
  modelStore: string;
  /** A folder that is there. */
  dir: string;
  env?: Record<string, string>;
  nodeArgs?: string[];
}

/** Patience that a test can wait out; the defaults are some times as long. */
export const patience = { connectionMs: 1_000, statementMs: 1_500, graceMs: 1_000 };

/** Starts it with the demo data, short patience, and nothing kept that would keep a fault from being felt. */
export async function startFaultGateway({ databaseUrl, modelStore, dir, env = {}, nodeArgs = [] }: FaultGatewayOptions): Promise<FaultGateway> {
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
      DATABASE_CONNECTION_TIMEOUT_MS: String(patience.connectionMs),
      DATABASE_STATEMENT_TIMEOUT_MS: String(patience.statementMs),
      DEMO_DATA: 'true',
      MODEL_STORE: modelStore,
      MODEL_STORE_POLL_MS: '200',
      INFERENCE_THREADS: '2',
      RESPONSE_CACHE: 'false',
      QUERY_CACHE: 'false',
      RATE_LIMIT_PER_VIEWER: '0',
      RATE_LIMIT_PER_ADDRESS: '0',
      LOG_LEVEL: 'info',
      ...env,
    },
  });
  const url = await started.ready();
  let hasEnded = false;
  void started.ended.then(() => (hasEnded = true));
  return {
    url,
    process: started,
    logs: () => started.stdout().split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>),
    async isUp(part) {
      const response = await fetch(url.replace('/graphql', '/readyz'));
      const { parts } = (await response.json()) as { parts: Record<string, { isUp: boolean }> };
      return parts[part]?.isUp === true;
    },
    async stop(ways = [0]) {
      if (hasEnded) throw new Error(`The gateway has ended by itself.\n${started.stderr()}`);
      started.signal('SIGTERM');
      const how = await started.ended;
      if (!ways.includes(how)) throw new Error(`The gateway ended with ${how}.\n${started.stderr()}`);
    },
  };
}
