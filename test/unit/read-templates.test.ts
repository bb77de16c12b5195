import { describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { rawQuery, readTemplate } from '../../src/database/read-templates.js';

describe('templates', () => {
  it('of frequent statements stay, whatever other statements a client varies', () => {
    let built = 0;
    const use = (key: string): void => {
      readTemplate(
        key,
        () => {
          if (key === 'frequent') built += 1;
          return rawQuery(sql`select 1`);
        },
        { hasStablePlan: false },
      );
    };
    for (let request = 0; request < 20_000; request += 1) {
      use(`structure ${request}`);
      if (request % 900 === 0) use('frequent');
    }
    expect(built).toBe(1);
  });
});
