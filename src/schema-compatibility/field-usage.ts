import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isNamedType,
  Kind,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type ASTNode,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLSchema,
  type NamedTypeNode,
} from 'graphql';

/** A place in a document. */
export interface Place {
  line: number;
  column: number;
  /** The operation, for a fragment the first that spreads it; null if it has no name. */
  operation: string | null;
}

/** The schema coordinates that a document uses, each with the first place of use. */
export type Usage = ReadonlyMap<string, Place>;

/**
 * Collects the schema coordinates that a document uses: `Type`, `Type.field`, `Type.field.argument`, `Input.field`, `Enum.VALUE`,
 * `@directive`, `@directive.argument`. All fields and values of a variable's input type count as used, since a client may send
 * each of them. Coordinates that the schema does not have are omitted.
 */
export function usageOf(schema: GraphQLSchema, document: DocumentNode): Usage {
  const used = new Map<string, Place>();
  const operations = operationsOfDefinitions(document);
  let operation: string | null = null;
  const record = (coordinate: string, at: ASTNode): boolean => {
    if (used.has(coordinate)) return false;
    used.set(coordinate, { ...placeOf(at), operation });
    return true;
  };
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      enter(node) {
        switch (node.kind) {
          case Kind.OPERATION_DEFINITION:
          case Kind.FRAGMENT_DEFINITION:
            operation = operations.get(node) ?? null;
            return;
          case Kind.NAMED_TYPE:
            recordType(schema, node, record);
            return;
          case Kind.FIELD: {
            const [parent, field] = [types.getParentType(), types.getFieldDef()];
            if (!parent || !field) return;
            record(parent.name, node);
            record(`${parent.name}.${field.name}`, node);
            record(getNamedType(field.type).name, node);
            return;
          }
          case Kind.DIRECTIVE:
            record(`@${node.name.value}`, node);
            return;
          case Kind.ARGUMENT: {
            const [directive, parent, field] = [types.getDirective(), types.getParentType(), types.getFieldDef()];
            const owner = directive ? `@${directive.name}` : parent && field ? `${parent.name}.${field.name}` : null;
            if (owner !== null) record(`${owner}.${node.name.value}`, node);
            return;
          }
          case Kind.OBJECT: {
            const input = getNamedType(types.getInputType());
            if (input) record(input.name, node);
            return;
          }
          case Kind.OBJECT_FIELD: {
            const input = getNamedType(types.getParentInputType());
            if (input) record(`${input.name}.${node.name.value}`, node);
            return;
          }
          case Kind.ENUM: {
            const value = types.getEnumValue();
            const type = getNamedType(types.getInputType());
            if (type) record(type.name, node);
            if (type && value) record(`${type.name}.${value.name}`, node);
          }
        }
      },
    }),
  );
  return used;
}

type RecordUse = (coordinate: string, at: ASTNode) => boolean;

/** Records the type of a fragment, or of a variable with all of its input fields and enum values. */
function recordType(schema: GraphQLSchema, node: NamedTypeNode, record: RecordUse): void {
  const waiting = [schema.getType(node.name.value)];
  for (let type = waiting.pop(); type; type = waiting.pop()) {
    const isNew = record(type.name, node);
    if (isEnumType(type)) for (const { name } of type.getValues()) record(`${type.name}.${name}`, node);
    if (!isInputObjectType(type)) continue;
    const fields = Object.values(type.getFields());
    // A literal may have recorded the type before, without all of its fields.
    const added = fields.filter(({ name }) => record(`${type.name}.${name}`, node));
    if (isNew || added.length > 0) waiting.push(...fields.map((field) => getNamedType(field.type)).filter(isNamedType));
  }
}

function placeOf({ loc }: ASTNode): { line: number; column: number } {
  return { line: loc?.startToken.line ?? 1, column: loc?.startToken.column ?? 1 };
}

/** The name of each definition's operation; a fragment belongs to the first operation that spreads it. */
function operationsOfDefinitions(document: DocumentNode): ReadonlyMap<DefinitionNode, string | null> {
  const fragments = new Map<string, DefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  const owners = new Map<DefinitionNode, string | null>();
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const waiting: DefinitionNode[] = [definition];
    for (let at = waiting.pop(); at; at = waiting.pop()) {
      if (owners.has(at)) continue;
      owners.set(at, definition.name?.value ?? null);
      visit(at, {
        FragmentSpread({ name }) {
          const fragment = fragments.get(name.value);
          if (fragment) waiting.push(fragment);
        },
      });
    }
  }
  return owners;
}
