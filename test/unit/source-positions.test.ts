import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { withSourcePositions } from '../../src/telemetry/source-positions.js';

let project: string;
beforeAll(async () => {
  project = await mkdtemp(path.join(tmpdir(), 'auspex-bundle-'));
  const bundle = path.join(project, 'dist', 'bundle');
  await mkdir(bundle, { recursive: true });
  // Column 1 of line 1 is line 1 of the source; column 6 is line 2 of it; column 11 is in a package.
  const sources = ['../../src/auth/token.ts', '../../node_modules/jose/packages'];
  await writeFile(
    path.join(bundle, 'main.js.map'),
    JSON.stringify({ version: 3, sources, mappings: 'AAAA,KACA,KCDA', names: [] }),
  );
  await writeFile(path.join(bundle, 'broken.js.map'), 'no map');
});
afterAll(() => rm(project, { recursive: true }));

const frame = (file: string, column: number): string =>
  `Error: no\n    at sign (${pathToFileURL(path.join(project, 'dist', 'bundle', file)).href}:1:${column})`;

describe('withSourcePositions', () => {
  it('names the line of the source', () => {
    const source = path.relative(process.cwd(), path.join(project, 'src', 'auth', 'token.ts'));

    expect(withSourcePositions(frame('main.js', 6))).toBe(`Error: no\n    at sign (${source}:2:1)`);
  });

  it.each([
    ['in packages', 'main.js', 12],
    ['in a bundle without map', 'other.js', 1],
    ['in a bundle whose map cannot be read', 'broken.js', 1],
  ])('keeps positions %s', (_place, file, column) => {
    expect(withSourcePositions(frame(file, column))).toBe(frame(file, column));
  });

  it('keeps positions in other files', () => {
    const stack = 'Error: no\n    at run (node:internal/modules/run_main:1:2)';

    expect(withSourcePositions(stack)).toBe(stack);
  });
});
