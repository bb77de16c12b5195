import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as demoData from '../../packages/demo-data/src/index.ts';
import * as embeddedPostgres from '../../packages/embedded-postgres/src/index.ts';
import { projectDir } from '../../src/app/data-dir.js';
import {
  importDemoData,
  importEmbeddedPostgres,
  type DemoDataPackage,
  type EmbeddedPostgresPackage,
} from '../../src/app/development-packages.js';

describe('packages for development', () => {
  it('export the functions that the gateway calls', async () => {
    const [server, data]: [EmbeddedPostgresPackage, DemoDataPackage] = [embeddedPostgres, demoData];
    expect((await importEmbeddedPostgres()).startEmbeddedPostgres).toBe(server.startEmbeddedPostgres);
    expect((await importDemoData()).loadDemoData).toBe(data.loadDemoData);
  });

  it.each(['embedded-postgres', 'demo-data'])('%s depends on the versions that the gateway uses', (name) => {
    const dependenciesOf = (folder: string): Record<string, string> =>
      (JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { dependencies: Record<string, string> })
        .dependencies;
    expect(dependenciesOf(projectDir)).toMatchObject(dependenciesOf(path.join(projectDir, 'packages', name)));
  });
});
