import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Entity, Property } from '@mikro-orm/decorators/legacy';
import { rowShapes } from '../../src/database/row-shapes.js';
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

describe('the shape of a row', () => {
  const shapes = rowShapes<Contractor>(Contractor, ['updatedAt']);

  it('has the given properties and the ID, in the order of the table, whatever the order they are given in', () => {
    const shape = shapes.of(['salary', 'name', 'name']);
    expect(shape.properties).toEqual(['id', 'name', 'salary']);
    expect(shapes.of(new Set(['name', 'salary', 'id']))).toBe(shape);
    expect(shape.row(['a', 'Ann', 5])).toEqual({ id: 'a', name: 'Ann', salary: 5 });
    expect(shape.row(['other', 'a', 'Ann', 5, 'more'], 1)).toEqual({ id: 'a', name: 'Ann', salary: 5 });
  });

  it('has all properties that are not omitted without a selection', () => {
    expect(shapes.of(null)).toBe(shapes.whole);
    expect(shapes.of(shapes.whole.properties)).toBe(shapes.whole);
    expect(shapes.whole.properties).toEqual(
      storedProperties(Contractor)
        .map(({ name }) => name)
        .filter((name) => name !== 'updatedAt'),
    );
  });

  it('throws for a property that was not read, also in a comparison and in a copy with its prototype', () => {
    const row = shapes.of(['name']).row(['a', 'Ann']);
    expect(() => row.salary).toThrow('Contractor.salary was not read; add it to @Reads of the field that needs it.');
    expect(() => row.departmentId === row.departmentId).toThrow('Contractor.departmentId was not read');
    const copy = Object.assign(Object.create(Object.getPrototypeOf(row) as object) as Contractor, row);
    expect(copy.name).toBe('Ann');
    expect(() => copy.salary).toThrow('Contractor.salary was not read');
  });

  it('rejects a property that the table does not have, and a hidden one', () => {
    expect(() => shapes.of(['wage'])).toThrow('Rows of Contractor have no property wage.');
    expect(() => rowShapes(User)).toThrow('User.passwordHash is hidden; omit it from the row.');
    expect(() => rowShapes(User, ['passwordHash']).of(['passwordHash'])).toThrow('Rows of User have no property');
  });

  it('remembers a bounded number of shapes', () => {
    const names = shapes.whole.properties;
    const first = shapes.of(['name']);
    // Of 13 properties there are more selections than are remembered.
    for (let bits = 0; bits < 1024; bits++) shapes.of(names.filter((_name, index) => (bits >> index) & 1));
    expect(shapes.of(['name'])).not.toBe(first);
    expect(shapes.of(['name']).properties).toEqual(first.properties);
  });
});
