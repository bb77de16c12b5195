import { astFromValue, Kind, print, type GraphQLInputObjectType, type GraphQLInputType, type ValueNode } from 'graphql';

/**
 * Prints an input object as a GraphQL literal: one field per line; a list without nested lists on one line.
 * @param optional fields to print as comments
 */
export function literalOf(
  value: Record<string, unknown>,
  optional: Record<string, unknown>,
  type: GraphQLInputObjectType,
  indent: string,
): string {
  const inner = `${indent}  `;
  const linesOf = (fields: Record<string, unknown>): string[] =>
    Object.entries(fields).flatMap(([name, one]) => {
      const fieldType = type.getFields()[name]?.type;
      return fieldType ? [`${name}: ${printedValue(one, fieldType, inner)}`] : [];
    });
  const comments = linesOf(optional).map((line) => `# ${line}`);
  return block('{', [...linesOf(value), ...(comments.length > 0 ? ['# Optional:', ...comments] : [])], '}', indent);
}

function printedValue(value: unknown, type: GraphQLInputType, indent: string): string {
  const node = astFromValue(value, type);
  return node ? printed(node, indent) : 'null';
}

function printed(node: ValueNode, indent: string): string {
  const inner = `${indent}  `;
  if (node.kind !== Kind.LIST || !node.values.some(({ kind }) => kind === Kind.LIST)) return print(node);
  return block(
    '[',
    node.values.map((one) => printed(one, inner)),
    ']',
    indent,
  );
}

const block = (open: string, lines: string[], close: string, indent: string): string =>
  [open, ...lines.map((line) => `${indent}  ${line}`), `${indent}${close}`].join('\n');
