/** What the load asks, and what is released to be asked. */
export const documents = {
  signIn: 'mutation SignIn($input: LoginInput!) { login(input: $input) { accessToken } }',
  employees: 'query Employees($after: String) { employees(first: 20, after: $after) { nodes { id name department { name } manager { name } } pageInfo { endCursor } } }',
  departments: 'query Departments { departments { id name employees(first: 1) { totalCount } } }',
  users: 'query Users { users(first: 5) { nodes { email } } }',
  someEmployees: 'query SomeEmployees { employees(first: 5) { nodes { id jobTitle } } }',
  renameJob: 'mutation RenameJob($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { id } }',
  species: 'query Species($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { output source } }',
  prices: 'query Prices($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output source } }',
  pricesInEuro: 'query PricesInEuro($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { outputIn(currency: "EUR") { amounts { amount } isStale } } }',
  follow: 'subscription Follow { predictionRecorded { id } }',
};
