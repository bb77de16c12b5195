import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { ProjectCopy } from '../support/project-copy.js';

let project: ProjectCopy;
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  project = new ProjectCopy({ DATABASE_URL: database.url });
}, 60_000);
afterAll(async () => {
  project.delete();
  await database.drop();
});

const contentOf = (...file: string[]): string => readFileSync(path.join(project.dir, ...file), 'utf8');

describe('npm run new:type', () => {
  it('writes a domain that passes lint, types, the build and its test unchanged', () => {
    project.tool('tsc', '-p', 'tsconfig.build.json');
    expect(project.script('scripts/new-type.js', 'SalesOrder')).toContain(
      'Wrote src/domains/sales-order/sales-order.resolver.ts',
    );
    project.tool('tsc', '-p', 'tsconfig.build.json');
    expect(project.script('scripts/create-migration.js')).toMatch(/Wrote src\/database\/migrations\/.*registered/);
    project.tool('prettier', '--write', '--log-level', 'warn', 'src', 'test/integration/sales-orders.test.ts');
    project.script('scripts/print-schema.js');
    expect(contentOf('schema', 'schema.graphql')).toContain('type SalesOrder implements Node');

    project.tool('tsc', '-p', 'tsconfig.json');
    project.tool('eslint', 'src/domains/sales-order', 'src/domains/index.ts', 'test/integration/sales-orders.test.ts');
    project.tool('prettier', '--check', 'src/domains', 'test/integration/sales-orders.test.ts');
    project.script('scripts/check-schema.js', '--files-only');
    expect(project.jest('test/integration/sales-orders')).toContain('7 passed, 0 failed, 0 skipped');
  }, 600_000);

  it('rejects a type that exists, and an invalid name, and writes nothing', () => {
    const before = contentOf('src', 'domains', 'index.ts');
    expect(() => project.script('scripts/new-type.js', 'Employee')).toThrow('already exists');
    expect(() => project.script('scripts/new-type.js', 'PageInfo')).toThrow('already has a type PageInfo');
    for (const name of ['Class', 'Connection', 'Delete'])
      expect(() => project.script('scripts/new-type.js', name)).toThrow('would collide');
    expect(() => project.script('scripts/new-type.js', 'sales_order')).toThrow('PascalCase');
    expect(() => project.script('scripts/new-type.js')).toThrow('Usage');
    expect(contentOf('src', 'domains', 'index.ts')).toBe(before);
  });
});
