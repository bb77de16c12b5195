import { expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const source = path.join(import.meta.dirname, '..', '..', '..', 'ide', 'announce-build.ts');

it('announces the first compilation, and is silent once the program is compiled', async () => {
  const project = await mkdtemp(path.join(tmpdir(), 'auspex-announce-'));
  const script = path.join(project, 'ide', 'announce-build.ts');
  const output = (): string => spawnSync(process.execPath, [script], { encoding: 'utf8' }).stdout;
  await cp(source, script);
  await writeFile(path.join(project, 'package.json'), '{ "type": "module" }');
  expect(output()).toMatch(/^Compiling the gateway and GraphiQL .*\n$/);
  await mkdir(path.join(project, 'dist', 'ide'), { recursive: true });
  await writeFile(path.join(project, 'dist', 'main.js'), '');
  expect(output()).toBe('');
  await rm(project, { recursive: true });
});
