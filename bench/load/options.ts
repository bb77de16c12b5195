import { failUsage, parseCli } from '../../src/scripts/lib/cli.ts';

/** An error with a message for the user; printed without a stack. */
export class UserError extends Error {}

/** Runs a command. A UserError ends it with exit code 1 and its message. */
export async function runCommand(command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/**
 * Parses the options of the command line; `defaults` names them. Exits 0 after `--help` and 2 on other arguments.
 */
export function parseOptions<Name extends string>(defaults: Record<Name, string>, usage: string): Record<Name, string> {
  const options = Object.fromEntries(
    Object.entries<string>(defaults).map(([name, value]) => [name, { type: 'string' as const, default: value }]),
  );
  return parseCli(usage, { options }).values as Record<Name, string>;
}

/** Parses a whole number. Exits 2 with a message if it is out of range. */
export function parseInteger(
  usage: string,
  { name, text, minimum, maximum }: { name: string; text: string; minimum: number; maximum: number },
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
  return failUsage(usage, `--${name} must be a whole number from ${minimum} to ${maximum}; received ${text}`);
}

/** Parses an HTTP URL. Exits 2 with a message if it is none. */
export function parseUrl(usage: string, name: string, text: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text;
  return failUsage(usage, `--${name} must be a URL that starts with http:// or https://; received ${text}`);
}

/** Why a request got no response, such as `ECONNREFUSED`. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message;
}
