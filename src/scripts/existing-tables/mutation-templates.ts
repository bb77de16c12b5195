import type { PlannedTable } from './plan.js';

/** The mutations of a table. */
export function mutationNames({ type, writes }: PlannedTable): string[] {
  if (!writes) return [];
  return [
    ...(writes.hasCreate ? [`create${type}`] : []),
    ...(writes.hasUpdate ? [`update${type}`] : []),
    `delete${type}`,
  ];
}

const idArgument = "@Arg('id', () => ID, { description: 'The global ID.' }) id: string,";

const versionArgument = `
    @Arg('expectedVersion', () => String, {
      nullable: true,
      description: 'The version of the row that the change is based on; CONFLICT if the row has another one.',
    })
    expectedVersion: string | null | undefined,`;

/** The file with the mutations of a table. */
export function mutations(table: PlannedTable): string {
  const { type, field, fields, folder, noun, writes } = table;
  const { hasCreate = false, hasUpdate = false, hasVersion = false } = writes ?? {};
  const inputs = [...(hasCreate ? ['createInput'] : []), 'deletePayload', ...(hasUpdate ? ['updateInput'] : [])];
  const declared = [
    ...(hasCreate ? [`const Create${type}Input = createInput(${type});`] : []),
    ...(hasUpdate ? [`const Update${type}Input = updateInput(${type});`] : []),
    `const Delete${type}Payload = deletePayload(${type});`,
  ];
  const context = `@Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,`;
  const request = '{ context, info, record: this.audit.by(context) }';
  const version = hasVersion ? 'expectedVersion' : 'undefined';
  const create = `
  @Invalidates('${type}')
  @Mutation(() => ${type}, { nullable: true, description: 'Creates a row of ${noun}.' })
  create${type}(
    @Arg('input', () => Create${type}Input, { description: 'The new row.' }) input: object,
    ${context}
  ): Promise<${type}Row> {
    return ${field}Writes.create(input, ${request});
  }
`;
  const update = `
  @Invalidates('${type}')
  @Mutation(() => ${type}, { nullable: true, description: 'Changes a row of ${noun}.' })
  update${type}(
    ${idArgument}
    @Arg('input', () => Update${type}Input, { description: 'The columns to change.' }) input: object,${hasVersion ? versionArgument : ''}
    ${context}
  ): Promise<${type}Row> {
    return ${field}Writes.update(id, input, ${version}, ${request});
  }
`;
  return `import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, ID, Info, Mutation, Resolver } from 'type-graphql';
import type { AuditLog } from '../../audit/audit-log.js';
import type { Context } from '../../graphql/context/context.js';
import { Invalidates } from '../../graphql/schema/cache-control.js';
import { ${inputs.join(', ')} } from '../../graphql/tables/table-inputs.js';
import { administrators, TableWrites } from '../../graphql/tables/table-writes.js';
import { ${type} } from './${folder}.entity.js';
import { ${fields}, type ${type}Row } from './${folder}.loaders.js';

${declared.join('\n')}

/**
 * Writes ${table.schema}.${table.table}. \`canWrite\` is the rule of the mutations, beside that of the reads.${table.isOwned ? '\n * With \`canWrite: isSession\`, users write their rows, and an ADMIN all.' : ''}
 */
export const ${field}Writes = new TableWrites<${type}Row>({
  entity: ${type},
  reads: ${fields},
  canWrite: administrators,
});

@Resolver(() => ${type})
export class ${type}Mutations {
  constructor(readonly audit: Pick<AuditLog, 'by'>) {}
${hasCreate ? create : ''}${hasUpdate ? update : ''}
  @Invalidates('${type}')
  @Mutation(() => Delete${type}Payload, { nullable: true, description: 'Deletes a row of ${noun}.' })
  delete${type}(
    ${idArgument}${hasVersion ? versionArgument : ''}
    ${context}
  ): Promise<Record<string, string>> {
    return ${field}Writes.delete(id, ${version}, ${request});
  }
}
`;
}
