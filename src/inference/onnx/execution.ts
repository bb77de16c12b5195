/** Where a graph may run, in the words of ONNX Runtime. */
export const executionProviders = ['cuda', 'cpu'] as const;
type ExecutionProvider = (typeof executionProviders)[number];

/** How a graph is run. */
export interface ExecutionSettings {
  /** In order of preference. The next one is used if a provider is not available. */
  providers: readonly ExecutionProvider[];
  /** Threads of one run. */
  intraOpThreads: number;
}

/** One thread of the CPU: more would compete with the rest of the process. */
export const onCpu: ExecutionSettings = { providers: ['cpu'], intraOpThreads: 1 };

/** How a loaded graph runs. */
export interface Execution {
  provider: ExecutionProvider;
  /** Why it is not the first of the settings; null if it is. */
  fallback: string | null;
}
