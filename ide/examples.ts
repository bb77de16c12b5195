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
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { queryNameOf, typeNameOf } from '../src/typed-models/names.js';
import { literalOf } from './literal.js';
import { plausibleRow, type ExampleVersion } from './plausible.js';

/** An operation that runs without changes. */
export interface Example {
  title: string;
  query: string;
  /** JSON; empty if the operation has no variables. */
  variables: string;
}

/** A model as `modelsQuery` returns it. */
export interface ExampleModel {
  name: string;
  title: string;
  current: ExampleVersion;
}

/** Initial content of the editor. */
export const welcome = `# Sign in, then choose an example
# or write your own operation.
# Press Ctrl-Enter to run it.

query Me {
  me {
    email
    role
  }
}
`;

/** Larger rows are passed as variables to keep the operation readable. */
const maxInlineValues = 100;
/** No example is generated for larger rows. */
const maxValues = 10_000;

const general: Example[] = [
  {
    title: 'Current user',
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
    title: 'Employees, by page',
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
    title: 'Employees with the salary that a model expects',
    query: `query ExpectedSalaries {
  employees(first: 10) {
    nodes {
      name
      jobLevel
      salary(onForbidden: NULL)
      expectedSalary(onForbidden: NULL) {
        value
        version
        source
        warnings {
          field
          message
        }
      }
    }
  }
}
`,
    variables: '',
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
    title: 'Models and their inputs',
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

/** General examples that are valid in this schema. */
export const generalExamples = (schema: GraphQLSchema): Example[] =>
  general.filter(({ query }) => validate(schema, parse(query)).length === 0);

/** One example per subscription without required arguments. */
export function subscriptionExamples(schema: GraphQLSchema): Example[] {
  const fields = Object.values(schema.getSubscriptionType()?.getFields() ?? {});
  return fields.filter(needsNoArguments).map((field) => ({
    title: wordsOf(field.name),
    query: `subscription ${typeNameOf(field.name)} {\n  ${field.name}${selectionOf(field, 1, '  ')}\n}\n`,
    variables: '',
  }));
}

/** One example per model with a typed field in this schema: an example row and every output. */
export function modelExamples(schema: GraphQLSchema, models: readonly ExampleModel[]): Example[] {
  return models.flatMap((model) => {
    const call = modelCall(schema, model);
    return call ? [{ title: model.title, ...operationOf(typeNameOf(model.name), '', call) }] : [];
  });
}

/** One operation that reads an employee and runs a model beside it; none without a model whose row is short. */
export function combinedExamples(schema: GraphQLSchema, models: readonly ExampleModel[]): Example[] {
  const calls = models.map((model) => modelCall(schema, model, true));
  const call = calls.find((one) => one !== null && one.row === null);
  if (!call) return [];
  const example = { title: 'An employee and a prediction', ...operationOf('EmployeeAndPrediction', employee, call) };
  return validate(schema, parse(example.query)).length === 0 ? [example] : [];
}

const employee = `  employees(first: 1) {
    nodes {
      name
      jobTitle
      hiredOn
      department {
        name
      }
    }
  }
`;

/** The root field of a model with an example row. */
interface ModelCall {
  text: string;
  /** The row, if it is passed as a variable, and its type. */
  row: { value: Record<string, unknown>; type: string } | null;
}

/**
 * @param isShort only required inputs, and of the shared fields only the most important ones
 * @returns null if the schema has no field for the model, or its row is too large
 */
function modelCall(schema: GraphQLSchema, model: ExampleModel, isShort = false): ModelCall | null {
  const field = schema.getQueryType()?.getFields()[queryNameOf(model.name)];
  const rowType = getNamedType(field?.args.find(({ name }) => name === 'inputs')?.type);
  const resultType = field && getNamedType(field.type);
  if (!field || !isInputObjectType(rowType) || !isObjectType(resultType)) return null;
  const row = plausibleRow(rowType, model.current, { maxValues, isShort });
  if (row === null) return null;
  const selection = `{\n${resultFields(resultType, isShort)}\n  }`;
  if (row.valueCount > maxInlineValues)
    return {
      text: `  ${field.name}(inputs: $inputs) ${selection}\n`,
      row: { value: row.value, type: rowType.name },
    };
  const literal = literalOf(row.value, row.optional, rowType, '      ');
  return { text: `  ${field.name}(\n    inputs: [\n      ${literal}\n    ]\n  ) ${selection}\n`, row: null };
}

/** An operation with the fields of `before` and a model's. */
function operationOf(name: string, before: string, { text, row }: ModelCall): Pick<Example, 'query' | 'variables'> {
  const head = row ? `query ${name}($inputs: [${row.type}!]!)` : `query ${name}`;
  return {
    query: `${head} {\n${before}${text}}\n`,
    variables: row ? `${JSON.stringify({ inputs: [row.value] }, null, 2)}\n` : '',
  };
}

/** Selects the outputs of the model, then scalar fields that all predictions share. */
function resultFields(type: GraphQLObjectType, isShort: boolean): string {
  const shared = new Set(type.getInterfaces().flatMap((known) => Object.keys(known.getFields())));
  const fields = Object.values(type.getFields());
  const own = fields
    .filter((field) => !shared.has(field.name) && needsNoArguments(field))
    .map((field) => `    ${field.name}${selectionOf(field, 1, '    ')}`);
  const common = fields
    .filter((field) => shared.has(field.name) && isLeafType(getNamedType(field.type)))
    .filter(({ name }) => !isShort || ['version', 'source'].includes(name))
    .map(({ name }) => `    ${name}`);
  return [...own, ...common].join('\n');
}

/** Selects every non-null field without arguments, up to `depth` levels of nested types. */
function selectionOf(field: GraphQLField<unknown, unknown>, depth: number, indent: string): string {
  const type = getNamedType(field.type);
  if (isLeafType(type)) return '';
  if (!isObjectType(type) && !isInterfaceType(type)) return ' {\n' + `${indent}  __typename\n${indent}}`;
  // A nullable field may be forbidden to this viewer.
  const chosen = Object.values(type.getFields()).filter((inner) => {
    const isLeaf = isLeafType(getNamedType(inner.type));
    return (
      needsNoArguments(inner) &&
      inner.args.length === 0 &&
      (isLeaf ? isNonNullType(inner.type) || isEnumType(inner.type) : depth > 0)
    );
  });
  const lines = (chosen.length > 0 ? chosen : null)?.map(
    (inner) => `${indent}  ${inner.name}${selectionOf(inner, depth - 1, `${indent}  `)}`,
  ) ?? [`${indent}  __typename`];
  return ` {\n${lines.join('\n')}\n${indent}}`;
}

const needsNoArguments = ({ args }: GraphQLField<unknown, unknown>): boolean =>
  args.every(({ type, defaultValue }) => !isNonNullType(type) || defaultValue !== undefined);

/** `employeeChanged` becomes "Employee changed". */
function wordsOf(name: string): string {
  const words = name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}
