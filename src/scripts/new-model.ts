import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { projectDir } from '../app/data-dir.js';
import { domains } from '../domains/index.js';
import { fatalMessage, OperatorError } from '../errors/operator-error.js';
import { systemErrorCode } from '../errors/system-error-code.js';
import { domainSchema } from '../graphql/schema/build-schema.js';
import { queryNameOf } from '../typed-models/names.js';
import { isPlainObject } from '../inference/signature/json.js';
import { failUsage, parseCli } from './lib/cli.js';
import { writeModelFolder, type WrittenModel } from './new-model/scaffold.js';

const usage = `Usage: npm run models:new -- <model.onnx> [--name <name>] [--store <directory>] [--rows <rows.jsonl>]

Writes a model folder: model.yaml, a card and version 1 with golden rows. It can be served as it is; descriptions, units
and limits are filled in by hand.

  --name   name of the model and its folder; by default that of the file
  --store  model store; by default model-store/
  --rows   input rows for the golden rows, one JSON object a line; by default some are generated

  npm run models:new -- churn.onnx
  npm run models:new -- model.onnx --name churn --store ../models
`;

const { values, positionals } = parseCli(usage, {
  options: { name: { type: 'string' }, store: { type: 'string' }, rows: { type: 'string' } },
  maxPositionals: 1,
});
const [modelFile] = positionals;
if (modelFile === undefined) failUsage(usage, 'Name one ONNX file.');
const defaultStore = path.join(projectDir, 'model-store');
const storeDir = values.store === undefined ? defaultStore : path.resolve(values.store);
const name = values.name ?? path.basename(modelFile, path.extname(modelFile));
try {
  const rows = values.rows === undefined ? null : await readRows(values.rows);
  printNextSteps(await writeModelFolder({ modelFile, name, storeDir, rows, schema: domainSchema(domains) }));
} catch (error) {
  process.stderr.write(`${fatalMessage(error)}\n`);
  process.exitCode = 1;
}

/** @throws OperatorError if the file is no list of JSON objects */
async function readRows(file: string): Promise<Record<string, unknown>[]> {
  const lines = (
    await readFile(file, 'utf8').catch((error: unknown) => {
      throw new OperatorError(`${file} cannot be read (${systemErrorCode(error) ?? 'unknown error'}).`);
    })
  ).split('\n');
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    const row = parsed(line);
    if (!isPlainObject(row)) throw new OperatorError(`${file}:${index + 1}: must be a JSON object with the inputs.`);
    return [row];
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

function printNextSteps({ folder, inputs, outputs, goldenRows, warnings }: WrittenModel): void {
  const relative = path.relative(process.cwd(), folder);
  const check = storeDir === defaultStore ? '' : ` -- ${quoted(storeDir)}`;
  const setting = storeDir === defaultStore ? '' : `MODEL_STORE=${quoted(storeDir)} `;
  const counts = [counted(inputs, 'input'), counted(outputs, 'output'), counted(goldenRows, 'generated golden row')];
  process.stdout.write(`Wrote ${relative}: ${counts.join(', ')}. It can be served as it is.

To fill in:
  - ${name}/model.yaml: titles, descriptions, units and limits
${warnings.map((warning) => `  - ${warning}\n`).join('')}
Next:
  npm run models:check${check}
  ${setting}npm start    serves ${queryNameOf(name)}
`);
}

/** A path for a shell. */
function quoted(file: string): string {
  return /^[\w@%+=:,./-]+$/.test(file) ? file : `'${file.replaceAll("'", String.raw`'\''`)}'`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
