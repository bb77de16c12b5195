import { readFileSync } from 'node:fs';

/** A schema with what tables of other people have. */
export const oddTables = readFileSync(new URL('../../fixtures/existing-tables/odd.sql', import.meta.url), 'utf8');
