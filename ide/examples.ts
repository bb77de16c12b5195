import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isNonNullType,
  isObjectType,
  parse,
  validate,
  type GraphQLField,
  type GraphQLInputObjectType,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { queryNameOf, typeNameOf } from '../src/domains/prediction/typed-models/names.js';
import { literalOf } from './literal.js';
import { plausibleRow, type ModelInput } from './plausible.js';

/** An operation that can be run as it is. */
export interface Example {
  title: string;
  query: string;
  /** JSON; empty where the operation needs none. */
  variables: string;
}

/** A model as `modelsQuery` tells it. */
export interface ExampleModel {
  name: string;
  title: string;
  current: { inputs: ModelInput[] };
}

/** What stands in the editor at first. */
export const welcome = `# Sign in, then pick an example,
# or write an operation of your own.
# Ctrl-Enter runs it.

query Me {
  me {
    email
    role
  }
}
`;

/** A row of more values than this goes into the variables, so that the operation stays readable. */
const maxInlineValues = 100;
/** A row of more than this is no example that anybody reads. */
const maxValues = 10_000;

const general: Example[] = [
  {
    title: 'Who am I',
    query: `query Me {
  me {
    email
    role
    employee {
      name
      jobTitle
      department {
        name
      }
    }
  }
}
`,
    variables: '',
  },
  {
    title: 'A page of employees',
    query: `query Employees($first: Int!, $after: String) {
  employees(first: $first, after: $after, orderBy: { field: HIRED_ON, direction: DESC }) {
    totalCount
    pageInfo {
      hasNextPage
      endCursor
    }
    nodes {
      name
      jobTitle
      hiredOn
      department {
        name
      }
      manager {
        name
      }
    }
  }
}
`,
    variables: `{
  "first": 10
}
`,
  },
  {
    title: 'My predictions',
    query: `query MyPredictions {
  predictions(first: 10) {
    totalCount
    nodes {
      model {
        name
      }
      input
      output
      source
      createdAt
    }
  }
}
`,
    variables: '',
  },
  {
    title: 'The models and what they take',
    query: `query Models {
  models {
    name
    title
    current {
      version
      metrics
      inputs {
        name
        type
        unit
        required
        minimum
        maximum
        values
      }
    }
  }
}
`,
    variables: '',
  },
];

/** Those of the gateway's own fields that this schema has. */
export const generalExamples = (schema: GraphQLSchema): Example[] => general.filter(({ query }) => validate(schema, parse(query)).length === 0);

/** One for each subscription that can be opened without arguments. */
export function subscriptionExamples(schema: GraphQLSchema): Example[] {
  const fields = Object.values(schema.getSubscriptionType()?.getFields() ?? {});
  return fields.filter(needsNoArguments).map((field) => ({
    title: wordsOf(field.name),
    query: `subscription ${typeNameOf(field.name)} {\n  ${field.name}${selectionOf(field, 1, '  ')}\n}\n`,
    variables: '',
  }));
}

/** One for each model that has a field of its own in this schema: a plausible row, and all that is answered. */
export function modelExamples(schema: GraphQLSchema, models: readonly ExampleModel[]): Example[] {
  return models.flatMap((model) => {
    const field = schema.getQueryType()?.getFields()[queryNameOf(model.name)];
    const rowType = getNamedType(field?.args.find(({ name }) => name === 'inputs')?.type);
    const answerType = field && getNamedType(field.type);
    if (!field || !isInputObjectType(rowType) || !isObjectType(answerType)) return [];
    const example = modelExample(model, { field: field.name, rowType, answerType });
    return example === null ? [] : [example];
  });
}

interface ModelTypes {
  field: string;
  rowType: GraphQLInputObjectType;
  answerType: GraphQLObjectType;
}

function modelExample(model: ExampleModel, { field, rowType, answerType }: ModelTypes): Example | null {
  const row = plausibleRow(rowType, model.current.inputs, maxValues);
  if (row === null) return null;
  const name = typeNameOf(model.name);
  const selection = `{\n${answerFields(answerType)}\n  }`;
  if (row.valueCount > maxInlineValues) {
    const query = `query ${name}($inputs: [${rowType.name}!]!) {\n  ${field}(inputs: $inputs) ${selection}\n}\n`;
    return { title: model.title, query, variables: `${JSON.stringify({ inputs: [row.value] }, null, 2)}\n` };
  }
  const query = `query ${name} {\n  ${field}(\n    inputs: [\n      ${literalOf(row.value, row.optional, rowType, '      ')}\n    ]\n  ) ${selection}\n}\n`;
  return { title: model.title, query, variables: '' };
}

/** What the model says without being asked more, and then what every prediction tells of itself, but for what leads on to other types. */
function answerFields(type: GraphQLObjectType): string {
  const shared = new Set(type.getInterfaces().flatMap((known) => Object.keys(known.getFields())));
  const fields = Object.values(type.getFields());
  const own = fields.filter((field) => !shared.has(field.name) && needsNoArguments(field)).map((field) => `    ${field.name}${selectionOf(field, 1, '    ')}`);
  const told = fields.filter((field) => shared.has(field.name) && isLeafType(getNamedType(field.type))).map(({ name }) => `    ${name}`);
  return [...own, ...told].join('\n');
}

/** Every field that is always there and needs no arguments; `depth` levels of types below this one. */
function selectionOf(field: GraphQLField<unknown, unknown>, depth: number, indent: string): string {
  const type = getNamedType(field.type);
  if (isLeafType(type)) return '';
  if (!isObjectType(type) && !isInterfaceType(type)) return ' {\n' + `${indent}  __typename\n${indent}}`;
  // What may be null may also be forbidden.
  const chosen = Object.values(type.getFields()).filter((inner) => {
    const isLeaf = isLeafType(getNamedType(inner.type));
    return needsNoArguments(inner) && inner.args.length === 0 && (isLeaf ? isNonNullType(inner.type) || isEnumType(inner.type) : depth > 0);
  });
  const lines = (chosen.length > 0 ? chosen : null)?.map((inner) => `${indent}  ${inner.name}${selectionOf(inner, depth - 1, `${indent}  `)}`) ?? [`${indent}  __typename`];
  return ` {\n${lines.join('\n')}\n${indent}}`;
}

const needsNoArguments = ({ args }: GraphQLField<unknown, unknown>): boolean => args.every(({ type, defaultValue }) => !isNonNullType(type) || defaultValue !== undefined);

/** `employeeChanged` becomes "Employee changed". */
function wordsOf(name: string): string {
  const words = name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}
