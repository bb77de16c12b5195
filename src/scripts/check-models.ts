import 'reflect-metadata';
import path from 'node:path';
import { projectDir } from '../app/data-dir.js';
import { schemaProblems } from '../bindings/schema-problems.js';
import { features } from '../domains/features.js';
import { domains } from '../domains/index.js';
import { fatalMessage } from '../errors/operator-error.js';
import { domainSchema } from '../graphql/schema/build-schema.js';
import { checkModelStore } from '../inference/repository/validator.js';
import { typingProblems } from '../typed-models/naming-problems.js';
import { parseCli } from './lib/cli.js';

const usage = `Usage: npm run models:check [-- <directory>]

Validates every model of model-store/, or of the given directory, without a server. Exits 1 if there are problems.
`;

const { positionals } = parseCli(usage, { options: {}, maxPositionals: 1 });
const storeDir = path.resolve(positionals[0] ?? path.join(projectDir, 'model-store'));
try {
  const schema = domainSchema(domains);
  const { models, versions, goldenRows, problems, warnings } = await checkModelStore(
    storeDir,
    schemaProblems(schema, features),
    (model) => typingProblems(model, schema),
  );
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  const counts = `${counted(models, 'model')}, ${counted(versions, 'version')}, ${counted(goldenRows, 'golden row')}`;
  process.stdout.write(`${counts}: ${problems.length === 0 ? 'fine' : counted(problems.length, 'problem')}\n`);
  if (problems.length > 0) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${fatalMessage(error)}\n`);
  process.exitCode = 1;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
