import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Entity, Property } from '@mikro-orm/decorators/legacy';
import { rowColumns, storedProperties } from '../../src/database/rows.js';
import type { Columns } from '../../src/database/tables.js';
import { domains } from '../../src/domains/index.js';
import { Employee } from '../../src/domains/employee/employee.entity.js';
import { User } from '../../src/domains/user/user.entity.js';
import { openOrm } from '../../src/database/orm.js';

@Entity({ tableName: 'contractor' })
class Contractor extends Employee {
  @Property({ length: 100 })
  agencyName!: string;
}

declare module '../../src/database/tables.js' {
  interface Tables {
    contractor: Columns<Contractor>;
  }
}

describe('columns of a row', () => {
  it('are derived from the entity: a property that is added to it is read', () => {
    const columns = rowColumns(Contractor, 'contractor');
    expect(columns).toContain('contractor.agency_name as agencyName');
    expect(columns).toContain('contractor.job_title as jobTitle');
    expect(columns).toHaveLength(rowColumns(Employee, 'employee').length + 1);
  });

  it('omit the given properties, and never contain a hidden one', () => {
    expect(rowColumns(User, 'user_account', ['passwordHash', 'updatedAt'])).not.toContainEqual(
      expect.stringMatching(/password|updated/),
    );
    expect(() => rowColumns(User, 'user_account')).toThrow('User.passwordHash is hidden; omit it from the row.');
  });

  it('have the names that MikroORM gives the columns of every entity', async () => {
    const entities = domains.flatMap((domain) => domain.entities);
    // Opens no connection: the names come from MikroORM's own metadata.
    const before = entities.map((entity) => storedProperties(entity));
    const orm = openOrm({ url: 'postgresql://localhost/none', entities, poolSize: 1 });
    const expected = entities.map((entity) =>
      orm
        .getMetadata()
        .get(entity)
        .props.filter(({ persist }) => persist !== false)
        .map((property) => `${property.name as string} ${property.fieldNames.join()}`)
        .sort(),
    );
    for (const properties of [before, entities.map((entity) => storedProperties(entity))])
      expect(properties.map((each) => each.map(({ name, column }) => `${name} ${column}`).sort())).toEqual(expected);
    await orm.close();
  });
});
