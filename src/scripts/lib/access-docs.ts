import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { projectDir } from '../../app/data-dir.js';
import { SCOPES } from '../../auth/viewer.js';
import { table } from './markdown.js';

/** A rule of `schema/access.yaml`. */
interface AccessRule {
  rule: string;
  description: string;
  /** By caller; absent: none. */
  access: Record<string, 'all' | 'some'>;
  /** Names of fields by type. */
  fields: Record<string, string[]>;
}

const callers: readonly string[] = ['anonymous', 'USER', 'MANAGER', 'ADMIN', ...SCOPES.map((scope) => `key ${scope}`)];

/** `docs/access.md`, from `schema/access.yaml`. */
export function accessReference(): string {
  const rules = parse(readFileSync(path.join(projectDir, 'schema', 'access.yaml'), 'utf8')) as AccessRule[];
  const rows = rules.map(({ rule, access }) => [rule, ...callers.map((caller) => access[caller] ?? '')]);
  return `# Access

Generated from \`schema/access.yaml\` by \`npm run docs\`; do not edit. \`npm run test:security\` measures it for every caller, and fails for a
field that has no line.

"all": every object, or the call; "some": only those that the description of the rule names; empty: none. A key is an API key of an ADMIN
with that scope alone. Types that only mutations and subscriptions return follow their root fields.

${table(['Rule', ...callers], rows)}

${rules.map(ruleSection).join('\n\n')}
`;
}

const ruleSection = ({ rule, description, fields }: AccessRule): string =>
  [
    `## ${rule}`,
    description,
    '',
    ...Object.entries(fields).map(([type, names]) => `- \`${type}\`: ${names.map((name) => `\`${name}\``).join(', ')}`),
  ].join('\n');
