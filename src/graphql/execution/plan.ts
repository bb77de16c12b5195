import {
  isNonNullType,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { located, type Path, type Run, type Written } from './run.js';

/** Compiles the selections of one operation, for one combination of the values that `@skip` and `@include` read. */
export interface Planner {
  readonly schema: GraphQLSchema;
  readonly fragments: Record<string, FragmentDefinitionNode>;
  /** Compiles the fields that nodes select of an object type. */
  selectionOf: (type: GraphQLObjectType, nodes: readonly FieldNode[]) => SelectionWriter;
}

/** Writes the selected fields of an object. */
export interface SelectionWriter {
  write: (run: Run, source: unknown, path: Path | undefined) => Written;
  /** One field after the other, as mutations require. */
  writeSerially: (run: Run, source: unknown) => Written;
}

/** A field as it is selected. */
export interface SelectedField {
  parentType: GraphQLObjectType;
  definition: GraphQLField<unknown, unknown>;
  /** The response name. */
  key: string;
  nodes: readonly FieldNode[];
  infoOf: (run: Run, path: Path) => GraphQLResolveInfo;
}

/** Writes a value of a type. @throws what makes it null */
export type Completion = (run: Run, value: unknown, path: Path) => Written;

export const nullText = 'null';

/** As errors name the field. */
export const nameOf = ({ parentType, definition }: SelectedField): string => `${parentType.name}.${definition.name}`;

/** Returns null as text, or throws a located error if the type is non-null. */
export type Failure = (run: Run, error: unknown, path: Path) => string;

/** Collects an error where the type is nullable; elsewhere it makes the parent null. */
export function failureOf(type: GraphQLOutputType, nodes: readonly FieldNode[]): Failure {
  if (isNonNullType(type))
    return (_run, error, path) => {
      throw located(error, nodes, path);
    };
  return (run, error, path) => {
    run.errors.add(error, nodes, path);
    return nullText;
  };
}
