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

/** Where in a document something stands. */
export interface Place {
  line: number;
  column: number;
  /** The operation; that which spreads it, for what stands in a fragment. Null for one without a name. */
  operation: string | null;
}

/** What a document uses of a schema, each with the first place where it does. */
export type Usage = ReadonlyMap<string, Place>;

/**
 * The schema coordinates that a document uses: `Type`, `Type.field`, `Type.field.argument`, `Input.field`, `Enum.VALUE`,
 * `@directive`, `@directive.argument`. Of an input type that a variable has, all fields and values count, since a client
 * may send each of them. What the schema does not have is left out.
 */
export function usageOf(schema: GraphQLSchema, document: DocumentNode): Usage {
  const used = new Map<string, Place>();
  const operations = operationsOfDefinitions(document);
  let operation: string | null = null;
  const note = (coordinate: string, at: ASTNode): boolean => {
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
            noteType(schema, node, note);
            return;
          case Kind.FIELD: {
            const [parent, field] = [types.getParentType(), types.getFieldDef()];
            if (!parent || !field) return;
            note(parent.name, node);
            note(`${parent.name}.${field.name}`, node);
            note(getNamedType(field.type).name, node);
            return;
          }
          case Kind.DIRECTIVE:
            note(`@${node.name.value}`, node);
            return;
          case Kind.ARGUMENT: {
            const [directive, parent, field] = [types.getDirective(), types.getParentType(), types.getFieldDef()];
            const owner = directive ? `@${directive.name}` : parent && field ? `${parent.name}.${field.name}` : null;
            if (owner !== null) note(`${owner}.${node.name.value}`, node);
            return;
          }
          case Kind.OBJECT: {
            const input = getNamedType(types.getInputType());
            if (input) note(input.name, node);
            return;
          }
          case Kind.OBJECT_FIELD: {
            const input = getNamedType(types.getParentInputType());
            if (input) note(`${input.name}.${node.name.value}`, node);
            return;
          }
          case Kind.ENUM: {
            const value = types.getEnumValue();
            const type = getNamedType(types.getInputType());
            if (type) note(type.name, node);
            if (type && value) note(`${type.name}.${value.name}`, node);
          }
        }
      },
    }),
  );
  return used;
}

type Note = (coordinate: string, at: ASTNode) => boolean;

/** The type that a fragment is on, or that a variable has with all that can be sent in it. */
function noteType(schema: GraphQLSchema, node: NamedTypeNode, note: Note): void {
  const waiting = [schema.getType(node.name.value)];
  for (let type = waiting.pop(); type; type = waiting.pop()) {
    const isNew = note(type.name, node);
    if (isEnumType(type)) for (const { name } of type.getValues()) note(`${type.name}.${name}`, node);
    if (!isInputObjectType(type)) continue;
    const fields = Object.values(type.getFields());
    // A literal may have named the type before, but then not all of its fields.
    const news = fields.filter(({ name }) => note(`${type.name}.${name}`, node));
    if (isNew || news.length > 0) waiting.push(...fields.map((field) => getNamedType(field.type)).filter(isNamedType));
  }
}

function placeOf({ loc }: ASTNode): { line: number; column: number } {
  return { line: loc?.startToken.line ?? 1, column: loc?.startToken.column ?? 1 };
}

/** The name of the operation that each definition belongs to; a fragment, to the first that spreads it. */
function operationsOfDefinitions(document: DocumentNode): ReadonlyMap<DefinitionNode, string | null> {
  const fragments = new Map<string, DefinitionNode>();
  for (const definition of document.definitions) if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
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
