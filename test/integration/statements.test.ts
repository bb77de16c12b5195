import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildSchema, getNamedType, isLeafType, isObjectType, type GraphQLField } from 'graphql';
import { startGateway, type AnyData, type GraphQLResponse, type TestGateway } from '../support/gateway.js';
import { statementsOf } from '../support/statements.js';

let gateway: TestGateway;
beforeAll(async () => {
  // Counts statements without cached responses. Some operations select all that there is.
  const limits = { MAX_QUERY_ALIASES: '1000', MAX_QUERY_COST: '100000', MAX_QUERY_TOKENS: '10000' };
  gateway = await startGateway({ RESPONSE_CACHE: 'false', QUERY_CACHE: 'false', ...limits });
  await gateway.execute('admin', '{ __typename }'); // the test gateway looks up the account once
});
afterAll(() => gateway.close());

/** Counts the statements of an operation, which must succeed. */
async function count(document: string): Promise<number> {
  const statements = await statementsOf(async () => {
    const response = await gateway.execute<AnyData>('admin', document);
    expect(response.errors).toEqual([]);
  });
  return statements.length;
}

async function twoIds(): Promise<[string, string]> {
  const { data } = await gateway.execute<{ employees: { nodes: [{ id: string }, { id: string }] } }>(
    'admin',
    '{ employees(first: 2) { nodes { id } } }',
  );
  const [one, another] = data?.employees.nodes ?? [];
  return [one?.id ?? '', another?.id ?? ''];
}

describe('the number of SQL statements', () => {
  it('is one for a page of 50 employees with department, manager and the manager’s department', async () => {
    const page = (first: number) =>
      `{ employees(first: ${first}) { nodes { name department { name } manager { name department { name } } } } }`;
    expect(await count(page(50))).toBe(1);
    expect(await count(page(5))).toBe(1);
  });

  it('is one for an employee with department, manager and the manager’s department', async () => {
    const [one, another] = await twoIds();
    const relations = 'name department { name } manager { name department { name } }';
    expect(await count(`{ employee(id: "${one}") { ${relations} } }`)).toBe(1);
    expect(
      await count(`{ a: employee(id: "${one}") { ${relations} } b: employee(id: "${another}") { ${relations} } }`),
    ).toBe(1);
  });

  it('is six at most for employees by id, whatever their fields select', async () => {
    const [id] = await twoIds();
    const columns = ['age', 'email', 'jobTitle', 'hiredOn'];
    const relations = ['', 'department { name }', 'manager { name }', 'manager { name department { name } }'];
    const selections = relations.flatMap((first) =>
      relations.map((second, index) => `${columns[index]} ${first} ${second}`),
    );
    const aliased = selections.map((selected, index) => `e${index}: employee(id: "${id}") { ${selected} }`);
    expect(await count(`{ ${aliased.join(' ')} }`)).toBe(6);
  });

  it('is constant for relations beyond the depth of the join', async () => {
    const page = (first: number) =>
      `{ employees(first: ${first}) { nodes { manager { manager { name department { name } manager { name } } } } } }`;
    const few = await count(page(10));
    expect(await count(page(50))).toBe(few);
    expect(few).toBeLessThanOrEqual(4);
  });

  it('is two for departments with their headcounts', async () => {
    expect(await count('{ departments { name headcount } }')).toBe(2);
    expect(await count('{ departments { name employees { totalCount } } }')).toBe(2);
  });

  it('is constant for the reports of a page and their count', async () => {
    const page = (first: number) =>
      `{ employees(first: ${first}) { nodes { reports(first: 3) { totalCount nodes { name } } } } }`;
    expect(await count(page(5))).toBe(3);
    expect(await count(page(50))).toBe(3);
  });

  it('is two for users with their employees', async () => {
    expect(await count('{ users { nodes { email employee { name } } } }')).toBe(2);
  });

  it('includes a count only if totalCount is selected', async () => {
    expect(await count('{ employees(first: 2) { nodes { name } } }')).toBe(1);
    expect(await count('{ employees(first: 2) { totalCount nodes { name } } }')).toBe(2);
  });

  it('is the same for each request: loaders keep nothing between requests', async () => {
    const document =
      '{ employees(first: 1, filter: { search: "Team Lead" }) { nodes { reports(first: 1) { nodes { name } } } } }';
    expect(await count(document)).toBe(2);
    expect(await count(document)).toBe(2);
  });
});

describe('the columns of a statement', () => {
  /** The properties of employees that the only statement of an operation selects. */
  async function columnsOf(document: string, variables: Record<string, unknown> = {}): Promise<string[]> {
    const [statement = ''] = await statementsOf(() => gateway.execute('admin', document, variables));
    return [...(statement.split(' from ')[0] ?? '').matchAll(/ as "(\w+(?:\.\w+)?)"/g)]
      .map(([, name = '']) => name)
      .sort();
  }

  it('are those that the selected fields and their rules read', async () => {
    expect(await columnsOf('{ employees(first: 2) { nodes { id jobTitle } } }')).toEqual(['id', 'jobTitle']);
    expect(await columnsOf('{ employees(first: 2) { nodes { salary } } }')).toEqual(['departmentId', 'id', 'salary']);
    expect(await columnsOf('{ employees(first: 2) { pageInfo { hasNextPage } } }')).toEqual(['id']);
  });

  it('are those that the operation selects of each relation', async () => {
    expect(
      await columnsOf('{ employees(first: 2) { nodes { department { name } manager { age department { name } } } } }'),
    ).toEqual([
      ...['department.name', 'departmentId', 'id', 'manager.age', 'manager.departmentId', 'manager.id', 'managerId'],
      'managersDepartment.name',
    ]);
    expect(await columnsOf('{ employees(first: 2) { nodes { department { id } manager { id } } } }')).toEqual([
      'departmentId',
      'id',
      'managerId',
    ]);
  });

  it('include the property of the order only for cursors', async () => {
    const page = (selected: string) => `{ employees(first: 2, orderBy: { field: AGE }) { ${selected} } }`;
    expect(await columnsOf(page('nodes { email }'))).toEqual(['email', 'id']);
    expect(await columnsOf(page('edges { cursor node { email } }'))).toEqual(['age', 'email', 'id']);
    expect(await columnsOf(page('nodes { email } pageInfo { endCursor }'))).toEqual(['age', 'email', 'id']);
  });

  it('follow the variables of @skip and @include', async () => {
    const document =
      'query ($all: Boolean!) { employees(first: 2) { nodes { name email @include(if: $all) manager @skip(if: $all) { name } } } }';
    expect(await columnsOf(document, { all: true })).toEqual(['email', 'id', 'name']);
    expect(await columnsOf(document, { all: false })).toEqual([
      'id',
      'manager.id',
      'manager.name',
      'managerId',
      'name',
    ]);
  });
});

describe('a field that is selected alone', () => {
  /** Every way to rows of a type, with a place for the fields. Loaders read what all fields of an operation select. */
  const waysTo: Record<string, string[]> = {
    Employee: [
      'employees(first: 3) { nodes { FIELDS } }',
      'employees(last: 3) { edges { node { FIELDS } } }',
      'employees(first: 3) { nodes { manager { FIELDS } } }',
      'employees(first: 3) { nodes { manager { manager { FIELDS } } } }',
      'employees(first: 3) { nodes { reports(first: 2) { nodes { FIELDS } } } }',
      'departments { employees(first: 1) { nodes { FIELDS } } }',
      'me { employee { FIELDS } }',
      'employee(id: $employee) { FIELDS }',
      'node(id: $employee) { ... on Employee { FIELDS } }',
    ],
    Department: [
      'departments { FIELDS }',
      'employees(first: 3) { nodes { department { FIELDS } } }',
      'employees(first: 3) { nodes { manager { department { FIELDS } } } }',
      'employee(id: $employee) { department { FIELDS } }',
      'departments { employees(first: 1) { nodes { department { FIELDS } } } }',
    ],
    User: [
      'me { FIELDS }',
      'node(id: $user) { ... on User { FIELDS } }',
      'predictions { nodes { requestedBy { FIELDS } } }',
    ],
    Prediction: [
      'predictions(first: 2) { nodes { FIELDS } }',
      'predictions(first: 2) { edges { node { ... on PredictionResult { version } FIELDS } } }',
      'prediction(id: $prediction) { FIELDS }',
      'me { predictions(first: 2) { nodes { FIELDS } } }',
    ],
  };
  const schema = buildSchema(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));
  const fieldsOf = (type: string): GraphQLField<unknown, unknown>[] => {
    const found = schema.getType(type);
    return isObjectType(found) ? Object.values(found.getFields()) : [];
  };

  /** Selects a field, and leaves below it, under a name that occurs nowhere else. */
  function select({ name, type, args }: GraphQLField<unknown, unknown>): string {
    const named = getNamedType(type);
    const leaves = isObjectType(named)
      ? Object.values(named.getFields()).filter(
          (field) => field.args.length === 0 && isLeafType(getNamedType(field.type)),
        )
      : [];
    const below = named.name.endsWith('Connection')
      ? '{ totalCount pageInfo { endCursor } nodes { id } }'
      : leaves.length > 0
        ? `{ ${leaves.map((leaf) => leaf.name).join(' ')} }`
        : '';
    return `x_${name}: ${name}${args.some((arg) => arg.name === 'currency') ? '(currency: "EUR")' : ''} ${below}`;
  }

  /** The values of a selected field, in the order of the response. */
  function valuesOf(data: unknown, field: string): unknown[] {
    if (typeof data !== 'object' || data === null) return [];
    return Object.entries(data).flatMap(([name, value]) => (name === `x_${field}` ? [value] : valuesOf(value, field)));
  }

  let variables: Record<string, string>;
  beforeAll(async () => {
    const car = { model: 'car-price', inputs: [{ company: 'Maruti', year: 2014, km_driven: 90_000 }] };
    const { data, errors } = await gateway.execute<AnyData>(
      'manager',
      'query ($model: String!, $inputs: [JSONObject!]!) { predict(model: $model, inputs: $inputs) { id } me { id employee { id } } }',
      car,
    );
    expect(errors).toEqual([]);
    variables = { employee: data.me.employee.id, user: data.me.id, prediction: data.predict[0].id };
    // From here on, the source of each prediction is the cache.
    const computed = documentOf(
      'Employee',
      fieldsOf('Employee').filter(({ name }) => name === 'expectedSalary'),
    );
    for (const caller of ['manager', 'admin', 'user'] as const) await gateway.execute(caller, computed, variables);
  });

  function documentOf(type: string, fields: readonly GraphQLField<unknown, unknown>[]): string {
    const ways = (waysTo[type] ?? []).map(
      (way, index) => `w${index}: ${way.replace('FIELDS', fields.map(select).join(' '))}`,
    );
    const declared = Object.keys(variables).filter((variable) => ways.join(' ').includes(`$${variable}`));
    const header = declared.length > 0 ? `query (${declared.map((variable) => `$${variable}: ID!`).join(', ')}) ` : '';
    return `${header}{ ${ways.join(' ')} }`;
  }

  /** The responses with all fields of a type, by the type and the caller. */
  const wholes = new Map<string, GraphQLResponse<Record<string, unknown>>>();
  async function wholeOf(type: string, caller: 'manager' | 'admin' | 'user') {
    const known = wholes.get(`${type} ${caller}`);
    const whole = known ?? (await gateway.execute(caller, documentOf(type, fieldsOf(type)), variables));
    wholes.set(`${type} ${caller}`, whole);
    return whole;
  }

  const alone = Object.keys(waysTo).flatMap((type) =>
    fieldsOf(type).map((field) => [type, field.name, field] as const),
  );
  it.each(alone)('has the value that it has among all fields: %s.%s', async (type, name, field) => {
    for (const caller of ['manager', 'admin', 'user'] as const) {
      const whole = await wholeOf(type, caller);
      const single = await gateway.execute(caller, documentOf(type, [field]), variables);
      for (const { data, errors } of [whole, single]) {
        expect(data).toBeTruthy();
        expect(errors.map(({ extensions }) => extensions.code)).not.toContain('INTERNAL_SERVER_ERROR');
      }
      expect(valuesOf(single.data, name)).toEqual(valuesOf(whole.data, name));
      if (caller === 'manager') expect(valuesOf(single.data, name)).not.toEqual([]);
    }
  });
});
