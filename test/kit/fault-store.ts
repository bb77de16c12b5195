import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loopingModel } from './looping-model.js';
import { projectDir } from './process.js';
import { throwingModel } from './throwing-model.js';

/** A number of `steps` that keeps `echo` busy for some five to fifteen seconds: what is in native code cannot be stopped, and takes a core until it ends. */
export const stepsOfManySeconds = 7_000_000;

/**
 * Fills a folder with `iris`, which runs on the event loop; `echo`, which answers in a worker thread with the number that it was
 * asked with, after as many steps; and `throws`, whose run fails unless it is asked with 0. Their calls are given up after `deadlineMs`.
 */
export async function fillFaultStore(dir: string, deadlineMs = 1_000): Promise<void> {
  await cp(path.join(projectDir, 'model-store', 'iris'), path.join(dir, 'iris'), { recursive: true });
  await addModel(dir, 'echo', loopingModel(), 'steps', [1, 7], deadlineMs);
  await addModel(dir, 'throws', throwingModel(), 'step', [0], deadlineMs);
}

async function addModel(dir: string, name: string, bytes: Uint8Array, input: string, golden: readonly number[], deadlineMs: number): Promise<void> {
  const version = path.join(dir, name, '1');
  await mkdir(version, { recursive: true });
  await writeFile(path.join(version, 'model.onnx'), bytes);
  await writeFile(path.join(version, 'golden.jsonl'), golden.map((value) => `${JSON.stringify({ input: { [input]: value }, output: { done: value } })}\n`).join(''));
  await writeFile(path.join(dir, name, 'model.json'), JSON.stringify({ title: name, serving: { deadline_ms: deadlineMs }, inputs: { [input]: {} }, outputs: { done: {} } }));
}
