import { parseArgs } from 'node:util';

/** The flags of the command line, each a text; `defaults` names them. `--help` prints the usage, and so does a flag that is not known. */
export function flags<Name extends string>(defaults: Record<Name, string>, usage: string): Record<Name, string> {
  const names = Object.keys(defaults) as Name[];
  try {
    const { values } = parseArgs({ options: { help: { type: 'boolean' }, ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])) } });
    if (values.help) end(usage, 0);
    return { ...defaults, ...(values as Record<Name, string>) };
  } catch (error) {
    return end(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`, 1);
  }
}

/** A flag's value as a number. */
export function whole(name: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
  return end(`--${name} must be a whole number from ${minimum} to ${maximum}; it is ${text}`, 1);
}

function end(message: string, code: number): never {
  (code === 0 ? process.stdout : process.stderr).write(`${message}\n`);
  process.exit(code);
}
