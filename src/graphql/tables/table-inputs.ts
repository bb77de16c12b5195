import type { EntityClass } from '@mikro-orm/core';
import { Field, ID, InputType, ObjectType, type ClassType } from 'type-graphql';
import { tableOf, type TableColumn, type TableMapping } from './existing-table.js';

/** The columns that a new row may set: all but those that the database computes. */
export const insertable = ({ columns }: TableMapping): TableColumn[] =>
  columns.filter(({ isGenerated }) => isGenerated !== true);

/** The columns that a change may set. Not the key: it is the ID, by which clients and caches know the row. */
export const changeable = (mapping: TableMapping): TableColumn[] =>
  insertable(mapping).filter(({ isKey }) => isKey !== true);

/** Whether a new row must have a value. That of the owner is the caller by default. */
const isRequired = ({ nullable, hasDefault }: TableColumn): boolean => nullable !== true && hasDefault !== true;

/** Creates the input of new rows, `Create<Type>Input`. */
export function createInput(entity: EntityClass<unknown>): ClassType {
  const mapping = tableOf(entity);
  return inputOf(insertable(mapping), (column) => isRequired(column) && column !== mapping.owner, {
    name: `Create${entity.name}Input`,
    description: `A new ${entity.name}. An absent field has the default of the database.`,
  });
}

/** Creates the input of changes, `Update<Type>Input`. */
export function updateInput(entity: EntityClass<unknown>): ClassType {
  return inputOf(changeable(tableOf(entity)), () => false, {
    name: `Update${entity.name}Input`,
    description: `A change of a ${entity.name}. An absent field is unchanged; null clears it.`,
  });
}

function inputOf(
  columns: readonly TableColumn[],
  isNeeded: (column: TableColumn) => boolean,
  { name, description }: { name: string; description: string },
): ClassType {
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- decorators add the fields
  const input = class {};
  for (const column of columns) {
    const { property, type, nullable = false } = column;
    const isOptional = !isNeeded(column);
    const nullability = type.isList && nullable ? (isOptional ? 'itemsAndList' : 'items') : isOptional;
    Field(() => (type.isList ? [type.graphql] : type.graphql) as never, {
      nullable: nullability,
      description: describe(column),
    })(input.prototype, property);
  }
  InputType(name, { description })(input);
  return input;
}

const describe = ({ description, maxLength }: TableColumn): string =>
  maxLength === undefined ? description : `${description} At most ${maxLength} characters.`;

/** Creates the result of deletions, `Delete<Type>Payload`. */
export function deletePayload(entity: EntityClass<unknown>): ClassType {
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- decorators add the fields
  const payload = class {};
  Field(() => ID, { description: 'The ID of the deleted row.' })(payload.prototype, `deleted${entity.name}Id`);
  ObjectType(`Delete${entity.name}Payload`, { simpleResolvers: true, description: `A deleted ${entity.name}.` })(
    payload,
  );
  return payload;
}
