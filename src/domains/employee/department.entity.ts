import { Entity, Property } from '@mikro-orm/decorators/legacy';
import { Field, ObjectType } from 'type-graphql';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';

@ObjectType({ simpleResolvers: true, implements: Node, description: 'A department of the company.' })
@Entity({ tableName: 'department' })
export class Department extends BaseEntity {
  @Field({ description: 'Unique name.' })
  @Property({ length: 100, unique: true })
  name!: string;
}

declare module '../../database/tables.js' {
  interface Tables {
    department: Columns<Department>;
  }
}
