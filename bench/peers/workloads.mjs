/* What is sent, by workload and kind of server, and what the responses have in common. */
import { createHash } from 'node:crypto';
import { employeeFields, employeesQuery } from '../support/queries.mjs';
import { tableWorkloads } from './table-workloads.mjs';

const page = employeesQuery(50);
/** The same page in the names of PostGraphile. */
const postgraphilePage = `{ employees: allEmployees(first: 50, orderBy: [NAME_ASC]) { nodes { id name email age jobTitle hiredOn
  department: departmentByDepartmentId { name } manager: employeeByManagerId { name } } } }`;
const predictCar = 'query ($inputs: [CarPriceInput!]!) { predictCarPrice(inputs: $inputs) { sellingPrice } }';
export const employeeDocument = `query Employee($id: ID!) { employee(id: $id) { ${employeeFields} } }`;
export const employeeHash = createHash('sha256').update(employeeDocument).digest('hex');

/** Cars that were never predicted, in the range of the training data. */
const newCar = (n) => ({ company: 'Maruti', year: 1990 + (n % 30), km_driven: 1_000 + ((n * 7) % 2_900_000) });
const knownCar = (n = 24) => ({ company: 'Ford', year: 1990 + (n % 30), km_driven: 90_000 + n });
const typed = ({ company, year, km_driven }) => ({ company, year, kmDriven: km_driven });
const rowsPerCall = 1_000;
const callOf = (n) => Array.from({ length: rowsPerCall }, (_none, row) => newCar(n * rowsPerCall + row));
const halfCached = (n) =>
  Array.from({ length: 100 }, (_none, row) => (row % 2 === 0 ? knownCar(row) : newCar(n * 50 + (row >> 1))));

const graphql = (query, variables) => ({ body: JSON.stringify({ query, variables }) });
const get = (path, parameters) => ({ method: 'GET', path: `${path}?${new URLSearchParams(parameters)}` });

const pageRequests = { graphql: () => graphql(page), rest: () => ({ method: 'GET', path: '/employees?first=50' }) };
const employeeRequests = {
  auspex: (_n, { employeeId: id }) =>
    get('/graphql', { documentId: `sha256:${employeeHash}`, variables: JSON.stringify({ id }) }),
  mercurius: (_n, { employeeId: id }) =>
    get('/graphql', { persisted: 'true', query: employeeHash, variables: JSON.stringify({ id }) }),
  yoga: (_n, { employeeId: id }) =>
    get('/graphql', {
      extensions: JSON.stringify({ persistedQuery: { version: 1, sha256Hash: employeeHash } }),
      variables: JSON.stringify({ id }),
    }),
  rest: (_n, { employeeId: id }) => ({ method: 'GET', path: `/employees/${id}` }),
};
const carRequests = (rowsOf, { path = '/predict' } = {}) => ({
  graphql: (n) => graphql(predictCar, { inputs: rowsOf(n).map(typed) }),
  rest: (n) => ({ path, body: JSON.stringify(rowsOf(n)) }),
  v2: (n) => ({ path: '/v2/models/car-price/infer', body: JSON.stringify(tensorsOf(rowsOf(n))) }),
  loop: () => ({ method: 'GET', path: `/?rows=${rowsOf(0).length}` }),
});

const numbers = ['year', 'km_driven', 'mileage_mpg', 'engine_cc', 'max_power_bhp', 'torque_nm', 'seats'];
const texts = ['company', 'owner', 'fuel', 'seller_type', 'transmission'];
/** Values outside the data stand for missing numbers, since no JSON form of NaN is understood by all servers. */
const missingNumber = -1;
function tensorsOf(cars) {
  const tensor = (name, datatype, missing) => ({
    name,
    datatype,
    shape: [cars.length, 1],
    data: cars.map((car) => car[name] ?? missing),
  });
  return {
    inputs: [
      ...numbers.map((name) => tensor(name, 'FP32', missingNumber)),
      ...texts.map((name) => tensor(name, 'BYTES', '')),
    ],
  };
}

/** Ids have another form in each server; everything else is compared. */
const withoutId = ({ id: _id, ...employee }) => employee;
export const idsOf = (text) => {
  const parsed = JSON.parse(text);
  return (Array.isArray(parsed) ? parsed : parsed.data.employees.nodes).map(({ id }) => id);
};
const employeesOf = {
  graphql: (text) => JSON.parse(text).data.employees.nodes.map(withoutId),
  rest: (text) => JSON.parse(text).map(withoutId),
};
const employeeOf = {
  graphql: (text) => withoutId(JSON.parse(text).data.employee),
  rest: (text) => withoutId(JSON.parse(text)),
};
const pricesOf = {
  graphql: (text) => JSON.parse(text).data.predictCarPrice.map(({ sellingPrice }) => sellingPrice),
  rest: JSON.parse,
  v2: (text) => JSON.parse(text).outputs[0].data,
  loop: JSON.parse,
};
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);
/** Servers round float32 differently. Of a separate model only the form is compared, roughly. */
const isClose = (one, other, isOtherModel) =>
  one.length === other.length &&
  one.every((price, row) => Math.abs(price - other[row]) <= (isOtherModel ? 0.5 : 1e-5) * Math.abs(price));

const pageWorkload = (description, extra = {}) => ({
  description,
  count: 2_000,
  connections: 64,
  requestOf: { ...pageRequests, postgraphile: () => graphql(postgraphilePage) },
  resultOf: employeesOf,
  isEqual: isSame,
  ...extra,
});
const carWorkload = (description, rowsOf, count, { path, ...extra } = {}) => ({
  description,
  count,
  connections: 64,
  requestOf: carRequests(rowsOf, { path }),
  resultOf: pricesOf,
  isEqual: isClose,
  ...extra,
});

/** Of ten requests seven read an employee, one reads a page, one predicts a known car and one a new car. */
const mixed = (kinds) => (n, server) => {
  const [employee, employees, known, fresh] = kinds;
  if (n % 10 < 7) return employee(n, server);
  return [employees, known, fresh][(n % 10) - 7](n, server);
};
const known = carRequests(() => [knownCar()], { path: '/cached-predict' });
const fresh = carRequests((n) => [newCar(n)], { path: '/cached-predict' });

export const workloads = {
  W1: pageWorkload('50 employees with department and manager, response cache off'),
  'W1-gzip': pageWorkload('W1 with accept-encoding: gzip', { headers: { 'accept-encoding': 'gzip' } }),
  'W1-br': pageWorkload('W1 with accept-encoding: br', { headers: { 'accept-encoding': 'br' } }),
  'W1-cached': pageWorkload('W1 from the response cache', { count: 5_000 }),
  'W1-cached-br': pageWorkload('W1 from the response cache with accept-encoding: br', {
    count: 5_000,
    headers: { 'accept-encoding': 'br' },
  }),
  W2: carWorkload('one cached prediction', () => [knownCar()], 5_000, { path: '/cached-predict' }),
  W3: carWorkload('one new prediction in each request', (n) => [newCar(n)], 5_000),
  W4: carWorkload('100 predictions in each request, half of them cached', halfCached, 1_000, {
    path: '/cached-predict',
    rows: 100,
  }),
  W5: {
    description:
      'mixed: 70 % one employee, 10 % pages of 50, 20 % predictions, half of them cached; then at 70 % of the peak',
    count: 5_000,
    connections: 64,
    loadShare: 0.7,
    needsEmployee: true,
    requestOf: {
      auspex: mixed([employeeRequests.auspex, pageRequests.graphql, known.graphql, fresh.graphql]),
      rest: mixed([employeeRequests.rest, pageRequests.rest, known.rest, fresh.rest]),
    },
    resultOf: employeeOf,
    isEqual: isSame,
  },
  W6: {
    description: 'one employee with department and manager by a trusted document over GET, response cache off',
    count: 5_000,
    connections: 64,
    needsEmployee: true,
    requestOf: employeeRequests,
    resultOf: employeeOf,
    isEqual: isSame,
  },
  W7: carWorkload('1,000 new predictions in each request', callOf, 60, { connections: 4, rows: rowsPerCall }),
  ...tableWorkloads,
};
