import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const projectDir = path.join(import.meta.dirname, '..', '..');
const packages = JSON.parse(readFileSync(path.join(projectDir, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
};

interface Component {
  name: string;
  version: string;
  purl: string;
  hashes?: { alg: string; content: string }[];
}
let document: { bomFormat: string; metadata: { component: { name: string } }; components: Component[] };
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'auspex-sbom-'));
  const output = path.join(dir, 'sbom.json');
  execFileSync(process.execPath, [path.join(projectDir, 'ops', 'sbom.ts'), '--output', output]);
  document = JSON.parse(readFileSync(output, 'utf8')) as typeof document;
}, 120_000);
afterAll(() => rmSync(dir, { recursive: true }));

it('lists every dependency of production in its exact version, with its hash', () => {
  expect(document).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'auspex' } } });
  for (const [name, version] of Object.entries(packages.dependencies)) {
    const listed = document.components.find((component) => component.name === name && component.version === version);
    expect({ name, hashes: listed?.hashes?.map(({ alg }) => alg) }).toEqual({ name, hashes: ['SHA-512'] });
  }
});

it('lists no tool of development and no optional package', () => {
  const listed = new Set(document.components.map(({ name }) => name));
  const needed = new Set(Object.keys(packages.dependencies));
  // Types of GraphQL documents are a dependency of production packages, too.
  const shared = ['@types/node', '@graphql-typed-document-node/core'];
  const others = Object.keys({ ...packages.devDependencies, ...packages.optionalDependencies });
  expect(others.filter((name) => listed.has(name) && !needed.has(name) && !shared.includes(name))).toEqual([]);
});
