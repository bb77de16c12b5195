import { parseArgs, type ParseArgsConfig } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/**
 * Parses the arguments of a script. `--help` prints the usage and exits 0; an unknown option or an unexpected argument prints
 * the problem and the usage to stderr and exits 2.
 * @param args by default those of the process
 */
export function parseCli<O extends Options>(
  usage: string,
  { options, maxPositionals = 0, args }: { options: O; maxPositionals?: number; args?: string[] },
) {
  const parsed = parse(usage, { options, allowPositionals: maxPositionals > 0, ...(args ? { args } : {}) });
  if (Reflect.get(parsed.values, 'help') === true) {
    process.stdout.write(`${usage.trimEnd()}\n`);
    process.exit(0);
  }
  if (parsed.positionals.length > maxPositionals)
    failUsage(usage, `Unexpected argument '${parsed.positionals[maxPositionals] ?? ''}'`);
  return parsed;
}

function parse<O extends Options>(usage: string, config: { options: O; allowPositionals: boolean; args?: string[] }) {
  try {
    return parseArgs({
      ...config,
      options: { ...config.options, help: { type: 'boolean', short: 'h' } },
      strict: true,
    });
  } catch (error) {
    failUsage(usage, error instanceof Error ? error.message : String(error));
  }
}

/** Exit code of an invalid command line, as of most Unix programs: nothing was done. 1 means that the work failed. */
const usageExitCode = 2;

/** Prints an invalid argument and the usage to stderr and exits 2. */
export function failUsage(usage: string, problem: string): never {
  process.stderr.write(`${problem}\n\n${usage.trimEnd()}\n`);
  process.exit(usageExitCode);
}
