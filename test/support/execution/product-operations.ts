import type { Caller, Variables } from '../gateway.js';

export interface ProductOperation {
  /** `admin` if absent. */
  caller?: Caller;
  document: string;
  variables?: Variables;
  operationName?: string;
}

/** Operations on the demo data that change nothing, by what is special about them. */
export const productOperations: Record<string, ProductOperation> = {
  __typename: { document: '{ __typename }' },
  '__typename twice, and with an alias': { document: '{ __typename __typename other: __typename }' },
  'a page with relations': {
    document:
      '{ employees(first: 7) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id name hiredOn department { name } manager { name manager { name } } } } } }',
  },
  'nested fragments with a common field': {
    document: `query Page { employees(first: 3) { ...Page nodes { email } } }
      fragment Page on EmployeeConnection { nodes { ...Person department { ...Place } } totalCount }
      fragment Person on Employee { name age department { id } }
      fragment Place on Department { name headcount }`,
  },
  'the same field twice with different selections': {
    document:
      '{ me { id } me { email role } employees(first: 2) { nodes { name } } employees(first: 2) { nodes { age } } }',
  },
  'aliases that look like paths': {
    document:
      '{ a: employees(first: 1) { nodes { reports(first: 1) { totalCount } } } reports_nodes_a: employees(first: 2) { nodes { manager { name } } } a_b: me { id } }',
  },
  'aliases that are properties of objects': {
    document: '{ constructor: me { toString: email hasOwnProperty: id class: role } }',
  },
  'an alias __proto__': { document: '{ __proto__: me { __proto__: email } me { id } }' },
  'nested inline fragments': { document: '{ me { ... on User { id ... { email } } } }' },
  '@include and @skip by literals': {
    document: '{ me { id @include(if: false) email @skip(if: true) role @include(if: true) @skip(if: false) } }',
  },
  '@include(if: false) on all root fields': {
    document: '{ me @include(if: false) { id } employees @skip(if: true) { totalCount } }',
  },
  '@include(if: false) on the only field of an object': { document: '{ me { id @include(if: false) } }' },
  '@include and @skip by variables': {
    document:
      'query ($yes: Boolean!, $no: Boolean!) { a: me { id @include(if: $yes) email @include(if: $no) } b: me { id @skip(if: $yes) email @skip(if: $no) } }',
    variables: { yes: true, no: false },
  },
  'a fragment that is spread twice, with two conditions': {
    document:
      'query ($a: Boolean!, $b: Boolean!) { me { ...Who @include(if: $a) ...Who @include(if: $b) } } fragment Who on User { email }',
    variables: { a: false, b: true },
  },
  'a fragment that is spread with a condition, and without': {
    document:
      'query ($a: Boolean!) { one: me { ...Who @include(if: $a) role } two: me { ...Who } } fragment Who on User { email }',
    variables: { a: false },
  },
  'a field with and without a condition': {
    document: 'query ($a: Boolean!) { me { email @include(if: $a) email } }',
    variables: { a: false },
  },
  'a condition whose variable has a default': {
    document: 'query ($a: Boolean = false) { me { id email @include(if: $a) } }',
  },
  'a condition of null, with a default': {
    document: 'query ($a: Boolean = true) { me { id email @include(if: $a) } }',
    variables: { a: null },
  },
  'a condition without its variable': { document: 'query ($a: Boolean!) { me { id @include(if: $a) } }' },

  'one operation of several': {
    document: 'query One { me { id } } query Two { me { ...Who } } fragment Who on User { email }',
    operationName: 'Two',
  },
  'another operation of the same document': {
    document: 'query One { me { id } } query Two { me { ...Who } } fragment Who on User { email }',
    operationName: 'One',
  },
  'a query beside a mutation': { document: 'query One { me { id } } mutation Two { logout }', operationName: 'One' },
  'an unknown operation name': {
    document: 'query One { me { id } } query Two { me { email } }',
    operationName: 'Three',
  },
  'several operations without a name': { document: 'query One { me { id } } query Two { me { email } }' },

  'a rejected field in every row of a list': {
    caller: 'user',
    document: '{ employees(first: 3) { nodes { name salary } } }',
  },
  'a rejected field with two aliases': {
    caller: 'user',
    document: '{ employees(first: 2) { nodes { a: salary b: salary name } } }',
  },
  'a rejected field of nested objects': {
    caller: 'user',
    document:
      '{ employees(first: 3) { nodes { manager { salary manager { salary } } reports(first: 2) { nodes { salary } } } } }',
  },
  'a field that a manager may see in some rows': {
    caller: 'manager',
    document: '{ employees(first: 20) { nodes { name salary } } }',
  },
  'a rejected root field that is non-null': { caller: 'user', document: '{ me { email } users { totalCount } }' },
  'a rejected root field that is nullable': {
    caller: null,
    document: '{ me { email } employee(id: "employee_01ke6p4ym5fa684j815fzstyaw") { name } }',
  },
  'several rejected root fields': {
    caller: null,
    document: '{ models { name } departments { name } employees { totalCount } }',
  },
  'a rejected argument': {
    caller: 'user',
    document: '{ employees(orderBy: { field: SALARY, direction: DESC }) { totalCount } }',
  },
  'an error of a resolver with fields': { document: '{ employees(first: -1) { totalCount } me { id } }' },
  'an error of a resolver inside a list': { document: '{ departments { name employees(first: -1) { totalCount } } }' },
  'a malformed id': {
    document: '{ employee(id: "nonsense") { name } user(id: "employee_01ke6p4ym5fa684j815fzstyaw") { email } }',
  },
  'null propagation to a nullable field': {
    document:
      '{ employee(id: "employee_01ke6p4ym5fa684j815fzstyaw") { name } me { email predictions(first: -1) { totalCount } } }',
  },
  'null propagation out of a list': {
    document: '{ me { id } employees(first: 3) { nodes { name reports(first: -1) { totalCount } } } }',
  },
  'an error beside data': { document: '{ bad: prediction(id: "x") { id } good: me { email } }' },

  'an argument by variable': {
    document: 'query ($first: Int) { employees(first: $first) { nodes { name } } }',
    variables: { first: 2 },
  },
  'an integer written as a float': {
    document: 'query ($first: Int) { employees(first: $first) { nodes { name } } }',
    variables: { first: 2.0 },
  },
  'an absent variable': { document: 'query ($first: Int) { employees(first: $first) { nodes { name } } }' },
  'a null variable': {
    document: 'query ($first: Int) { employees(first: $first) { nodes { name } } }',
    variables: { first: null },
  },
  'a default of a variable': { document: 'query ($first: Int = 3) { employees(first: $first) { nodes { name } } }' },
  'a default of a variable, overridden by null': {
    document: 'query ($first: Int = 3) { employees(first: $first) { nodes { name } } }',
    variables: { first: null },
  },
  'a default of a non-null variable': {
    document: 'query ($first: Int! = 3) { employees(first: $first) { nodes { name } } }',
  },
  'null for a non-null variable': {
    document: 'query ($first: Int! = 3) { employees(first: $first) { nodes { name } } }',
    variables: { first: null },
  },
  'a default of an enum': {
    document:
      'query ($d: OrderDirection = DESC) { employees(first: 2, orderBy: { field: AGE, direction: $d }) { nodes { age } } }',
  },
  'null for a non-null argument, by a variable with a default': {
    document: 'query ($id: ID = "x") { employee(id: $id) { name } }',
    variables: { id: null },
  },
  'null for a non-null input field, by a variable with a default': {
    document:
      'query ($f: EmployeeOrderField = NAME) { employees(first: 1, orderBy: { field: $f }) { nodes { name } } }',
    variables: { f: null },
  },
  'an input by variable, with a default inside': {
    document: 'query ($o: EmployeeOrder) { employees(first: 3, orderBy: $o) { nodes { age } } }',
    variables: { o: { field: 'AGE' } },
  },
  'an input by variable': {
    document:
      'query ($f: EmployeeFilter, $o: EmployeeOrder) { employees(first: 5, filter: $f, orderBy: $o) { totalCount nodes { name age hiredOn } } }',
    variables: {
      f: { minAge: 30, maxAge: 50, hiredAfter: '2015-01-01', search: 'a' },
      o: { field: 'HIRED_ON', direction: 'DESC' },
    },
  },
  'an input by literal with variables inside': {
    document:
      'query ($s: String, $age: Int) { employees(first: 5, filter: { search: $s, minAge: $age }) { totalCount } }',
    variables: { s: 'Lead' },
  },
  'an input by a default': {
    document:
      'query ($f: EmployeeFilter = { minAge: 40, hiredBefore: "2024-01-01" }) { employees(first: 5, filter: $f) { nodes { age hiredOn } } }',
  },
  'a date by a default': {
    document:
      'query ($d: Date = "2020-06-30") { employees(first: 5, filter: { hiredAfter: $d }) { totalCount nodes { hiredOn } } }',
  },
  'a date by a literal': {
    document: '{ employees(first: 5, filter: { hiredAfter: "2020-06-30" }) { totalCount nodes { hiredOn } } }',
  },
  'a time by a default': {
    document:
      'query ($t: DateTime = "2020-06-30T10:00:00Z") { predictions(filter: { createdAfter: $t }) { totalCount } }',
  },
  'a time with an offset': {
    document: 'query ($t: DateTime) { predictions(filter: { createdAfter: $t }) { totalCount } }',
    variables: { t: '2020-06-30T10:00:00+02:00' },
  },

  'an invalid time': {
    document: 'query ($t: DateTime) { predictions(filter: { createdAfter: $t }) { totalCount } }',
    variables: { t: 'yesterday' },
  },
  'an invalid date': {
    document: 'query ($f: EmployeeFilter) { employees(filter: $f) { totalCount } }',
    variables: { f: { hiredAfter: '2020-02-31' } },
  },
  'a date that is a number': {
    document: 'query ($f: EmployeeFilter) { employees(filter: $f) { totalCount } }',
    variables: { f: { hiredAfter: 7 } },
  },
  'an invalid time, by literal': { document: '{ predictions(filter: { createdAfter: "yesterday" }) { totalCount } }' },
  'a string for a list of objects': {
    document: 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }',
    variables: { r: 'text' },
  },
  'null in a list of non-null items': {
    document: 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }',
    variables: { r: [null, {}] },
  },
  'a list for an object': {
    document: 'query ($f: EmployeeFilter) { employees(filter: $f) { totalCount } }',
    variables: { f: ['a'] },
  },
  'a number too large for Int': {
    document: 'query ($first: Int) { employees(first: $first) { totalCount } }',
    variables: { first: 3_000_000_000 },
  },
  'a string for a number': {
    document: 'query ($first: Int) { employees(first: $first) { totalCount } }',
    variables: { first: '5' },
  },
  'a number for a string': { document: 'query ($n: String!) { model(name: $n) { title } }', variables: { n: 5 } },
  'an integer as an id': { document: 'query ($id: ID!) { employee(id: $id) { name } }', variables: { id: 5 } },
  'a float as an id': { document: 'query ($id: ID!) { employee(id: $id) { name } }', variables: { id: 5.5 } },
  'an unknown enum value': {
    document: 'query ($o: EmployeeOrder) { employees(orderBy: $o) { totalCount } }',
    variables: { o: { field: 'NAMES' } },
  },
  'an enum value that is a property of every object': {
    document: 'query ($o: EmployeeOrder) { employees(orderBy: $o) { totalCount } }',
    variables: { o: { field: 'constructor' } },
  },
  'an unknown field of an input': {
    document: 'query ($f: EmployeeFilter) { employees(filter: $f) { totalCount } }',
    variables: { f: { minimumAge: 4 } },
  },
  'several invalid variables': {
    document:
      'query ($a: Int!, $b: EmployeeFilter, $c: ID!) { employees(first: $a, filter: $b) { totalCount } employee(id: $c) { name } }',
    variables: { a: 'x', b: { minAge: 'y', maxAge: 'z' } },
  },
  'an undeclared variable': { document: '{ me { id } }', variables: { other: 1 } },

  'rows by variable': {
    document: 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version input output } }',
    variables: {
      r: [
        { petal_length: 5.1, petal_width: 0.2 },
        { petal_length: 1, petal_width: 0.3, sepal_width: 3 },
      ],
    },
  },
  'one row for a list, by variable': {
    document: 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { input output } }',
    variables: { r: { petal_length: 5.2, petal_width: 0.4 } },
  },
  'a row by variable within a list': {
    document:
      'query ($r: JSONObject!) { predict(model: "iris", inputs: [$r, { petal_length: 1.5, petal_width: 1 }]) { input output } }',
    variables: { r: { petal_length: 5.3, petal_width: 0.5 } },
  },
  'rows by literal': {
    document:
      '{ predict(model: "iris", inputs: [{ petal_length: 5.4, petal_width: 0.6, sepal_width: null }]) { input output model { name current { inputs { name shape } } } } }',
  },
  'one row for a list, by literal': {
    document: '{ predict(model: "iris", inputs: { petal_length: 5.5, petal_width: 0.7 }) { input output } }',
  },
  'rows by literal with variables inside': {
    document:
      'query ($x: Float) { predict(model: "iris", inputs: [{ petal_length: $x, petal_width: 1.5 }]) { input output } }',
    variables: { x: 5.6 },
  },
  'rows by literal with an absent variable inside': {
    document:
      'query ($x: Float) { predict(model: "iris", inputs: [{ sepal_length: $x, petal_length: 2, petal_width: 1.6 }]) { input output } }',
  },
  'rows by a default': {
    document:
      'query ($r: [JSONObject!]! = [{ petal_length: 5.7, petal_width: 1.7 }]) { predict(model: "iris", inputs: $r) { input output } }',
  },
  'invalid rows': {
    document:
      '{ predict(model: "iris", inputs: [{ sepal_length: 5 }, { sepal_length: "long", colour: "red" }]) { output } }',
  },
  'a row with the key __proto__': {
    document: '{ predict(model: "iris", inputs: [{ __proto__: { a: 1 }, constructor: 1 }]) { output } }',
  },
  'an unknown model beside data': { document: '{ a: predict(model: "none", inputs: [{}]) { id } b: me { id } }' },
  'a text that looks like a placeholder': {
    document: '{ employees(filter: { search: "__MAGIC_NAN__57f286b9_4c20_487f_b409_79804ddcb4f8" }) { totalCount } }',
  },

  'all fields of models': {
    document:
      '{ models { name title description versions { version digest metrics inputs { name type shape required unit minimum maximum values } outputs { name } } } }',
  },
  introspection: {
    document:
      '{ __schema { queryType { name fields { name args { name type { kind name ofType { name } } defaultValue } } } } __type(name: "Role") { enumValues { name } } }',
  },
  'introspection beside data': {
    document: '{ __type(name: "User") { name fields { name } } me { __typename email } }',
  },
  'an invalid document': { document: '{ me { nmae } }' },
  'a syntax error': { document: '{ me {' },

  'a rejected mutation': { caller: 'user', document: 'mutation { deleteEmployee(id: "x") }' },
  'a mutation with several invalid fields': {
    document:
      'mutation ($id: ID!) { createEmployee(input: { name: "", email: "no", age: 1, jobTitle: "x", jobLevel: 9, hiredOn: "2020-01-01", salary: -1, departmentId: $id }) { id } }',
    variables: { id: 'x' },
  },
};
