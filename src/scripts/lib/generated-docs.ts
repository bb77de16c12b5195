import { accessReference } from './access-docs.js';
import { configReference, envExample } from './config-docs.js';
import { table } from './markdown.js';
import { maxErrors } from '../../graphql/errors/limit-errors.js';
import { maxMessageLength } from '../../errors/input-validation.js';
import { errorCodes, type ErrorCodeEntry } from '../../errors/codes.js';

/** A committed file that is generated from the code. */
export interface GeneratedFile {
  /** Relative to the project. */
  path: string;
  text: string;
}

export const generatedDocs = (): GeneratedFile[] => [
  { path: '.env.example', text: envExample() },
  { path: 'docs/configuration.md', text: configReference() },
  { path: 'docs/access.md', text: accessReference() },
  { path: 'docs/errors.md', text: errorReference() },
];

/** `docs/errors.md`, from the table of error codes. */
export function errorReference(): string {
  const entries = Object.entries<ErrorCodeEntry>(errorCodes);
  return `# Errors

Generated from \`src/errors/codes.ts\` by \`npm run docs\`; do not edit.

Every error has a stable \`code\` in \`extensions\`, and a \`message\` for people that may change. Handle errors by their code. The
HTTP status applies to responses without data; a response with partial data has status 200. In the column "Cause", \`caller\` means
that the client has to change or repeat its request, \`server\` that the gateway or one of its dependencies failed.

A response has at most ${maxErrors} errors. With more, the last one has the code of the first omitted error, and \`omittedErrors\` in its
extensions counts the omitted ones. Validation stops at the last error and says so. A message has at most ${maxMessageLength} characters and
names the type of an invalid value, never the text of a string.

${table(
  ['Code', 'HTTP status', 'Cause', 'Meaning', 'What a client does'],
  entries.map(([code, { httpStatus, statusNote, cause, meaning, action }]) => [
    `\`${code}\``,
    statusNote === undefined ? String(httpStatus) : `${httpStatus} (${statusNote})`,
    cause,
    meaning,
    action,
  ]),
)}
`;
}
