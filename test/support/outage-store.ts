import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loopingModel } from './looping-model.js';
import { projectDir } from './process.js';
import { throwingModel } from './throwing-model.js';

/**
 * Steps that keep `echo` busy for five to fifteen seconds. Native code cannot be stopped: it occupies a core until it
 * returns.
 */
export const slowSteps = 7_000_000;

/**
 * Fills a model store with `iris`, which runs on the event loop; `echo`, which returns its input after that number of
 * steps in a worker thread; and `throws`, whose run fails for every input but 0. Calls of the latter two time out after
 * `deadlineMs`.
 */
export async function fillOutageStore(dir: string, deadlineMs = 1_000): Promise<void> {
  await cp(path.join(projectDir, 'model-store', 'iris'), path.join(dir, 'iris'), { recursive: true });
  await addModel(dir, 'echo', loopingModel(), 'steps', [1, 7], deadlineMs);
  await addModel(dir, 'throws', throwingModel(), 'step', [0], deadlineMs);
}

async function addModel(
  dir: string,
  name: string,
  bytes: Uint8Array,
  input: string,
  golden: readonly number[],
  deadlineMs: number,
): Promise<void> {
  const version = path.join(dir, name, '1');
  await mkdir(version, { recursive: true });
  await writeFile(path.join(version, 'model.onnx'), bytes);
  await writeFile(
    path.join(version, 'golden.jsonl'),
    golden.map((value) => `${JSON.stringify({ input: { [input]: value }, output: { done: value } })}\n`).join(''),
  );
  await writeFile(
    path.join(dir, name, 'model.json'),
    JSON.stringify({
      title: name,
      serving: { deadline_ms: deadlineMs },
      inputs: { [input]: {} },
      outputs: { done: {} },
    }),
  );
}
