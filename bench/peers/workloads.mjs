/* What is sent, by workload and kind of server, and what the responses have in common. */
const page = `{ employees(first: 50) { nodes { id name email age jobTitle hiredOn department { name } manager { name } } } }`;
const predictCar = 'query ($inputs: [CarPriceInput!]!) { predictCarPrice(inputs: $inputs) { sellingPrice } }';

/** Cars that were never predicted, in the range of the training data. */
const newCar = (n) => ({ company: 'Maruti', year: 1990 + (n % 30), km_driven: 1_000 + ((n * 7) % 2_900_000) });
const knownCar = { company: 'Maruti', year: 2014, km_driven: 90_000 };
const typed = ({ company, year, km_driven }) => ({ company, year, kmDriven: km_driven });
const rowsPerCall = 1_000;
const callOf = (n) => Array.from({ length: rowsPerCall }, (_none, row) => newCar(n * rowsPerCall + row));

const graphql = (query, variables) => ({ body: JSON.stringify({ query, variables }) });
const prices = {
  graphql: (text) => JSON.parse(text).data.predictCarPrice.map(({ sellingPrice }) => sellingPrice),
  rest: JSON.parse,
};
const carWorkload = (description, rowsOf, count, { path = '/predict', ...extra } = {}) => ({
  description,
  count,
  connections: 64,
  requestOf: {
    graphql: (n) => graphql(predictCar, { inputs: rowsOf(n).map(typed) }),
    rest: (n) => ({ path, body: JSON.stringify(rowsOf(n)) }),
  },
  resultOf: prices,
  // Servers round float32 differently.
  isEqual: (one, other) => one.every((price, row) => Math.abs(price - other[row]) <= 1e-5 * Math.abs(price)),
  ...extra,
});

/** Ids have another form in each server; everything else is compared. */
const withoutId = ({ id: _id, ...employee }) => employee;
const employeesOf = {
  graphql: (text) => JSON.parse(text).data.employees.nodes.map(withoutId),
  rest: (text) => JSON.parse(text).map(withoutId),
};

export const workloads = {
  W1: {
    description: '50 employees with department and manager, response cache off',
    count: 3_000,
    connections: 64,
    requestOf: { graphql: () => graphql(page), rest: () => ({ path: '/employees?first=50', method: 'GET' }) },
    resultOf: employeesOf,
    isEqual: (one, other) => JSON.stringify(one) === JSON.stringify(other),
  },
  W2: carWorkload('one cached prediction', () => [knownCar], 10_000, { path: '/cached-predict' }),
  W3: carWorkload('one new prediction in each request', (n) => [newCar(n)], 10_000),
  W7: carWorkload('1,000 new predictions in each request', callOf, 60, { connections: 4, rows: rowsPerCall }),
};
