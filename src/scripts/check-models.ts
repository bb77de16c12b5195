import 'reflect-metadata';
import path from 'node:path';
import { projectDir } from '../data-dir.js';
import { domains } from '../domains/index.js';
import { namingProblems } from '../domains/prediction/typed-models/index.js';
import { domainSchema } from '../graphql/schema.js';
import { checkModelStore } from '../inference/check.js';
import { explain } from '../shared/errors.js';

/** `npm run models:check`: looks at every model of model-store/, or of the folder that is named, without a server. */
const storeDir = path.resolve(process.argv[2] ?? path.join(projectDir, 'model-store'));
try {
  const schema = domainSchema(domains);
  const { models, versions, goldenRows, problems, warnings } = await checkModelStore(storeDir, (found) => namingProblems(found, schema));
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  const counts = `${counted(models, 'model')}, ${counted(versions, 'version')}, ${counted(goldenRows, 'golden row')}`;
  process.stdout.write(`${counts}: ${problems.length === 0 ? 'fine' : counted(problems.length, 'problem')}\n`);
  if (problems.length > 0) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
