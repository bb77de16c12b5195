/* eslint-disable */
import * as types from './graphql.js';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "mutation SignIn($email: String!, $password: String!) {\n  login(input: {email: $email, password: $password}) {\n    accessToken\n    refreshToken\n    user {\n      id\n      email\n      role\n    }\n  }\n}\n\nquery EmployeesPage($first: Int!, $after: String) {\n  employees(first: $first, after: $after) {\n    nodes {\n      id\n      name\n      department {\n        name\n      }\n      manager {\n        name\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n    totalCount\n  }\n}\n\nquery PriceOfCar($inputs: [JSONObject!]!) {\n  predict(model: \"car-price\", inputs: $inputs) {\n    id\n    version\n    output\n    source\n    durationMs\n  }\n}\n\nquery TypedPriceOfCar($inputs: [CarPriceInput!]!) {\n  predictCarPrice(inputs: $inputs) {\n    predictionId\n    version\n    source\n    sellingPrice\n  }\n}\n\nquery MyPredictions {\n  predictions(first: 10) {\n    nodes {\n      id\n      input\n      output\n      source\n      model {\n        name\n      }\n    }\n    totalCount\n  }\n}": typeof types.SignInDocument,
};
const documents: Documents = {
    "mutation SignIn($email: String!, $password: String!) {\n  login(input: {email: $email, password: $password}) {\n    accessToken\n    refreshToken\n    user {\n      id\n      email\n      role\n    }\n  }\n}\n\nquery EmployeesPage($first: Int!, $after: String) {\n  employees(first: $first, after: $after) {\n    nodes {\n      id\n      name\n      department {\n        name\n      }\n      manager {\n        name\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n    totalCount\n  }\n}\n\nquery PriceOfCar($inputs: [JSONObject!]!) {\n  predict(model: \"car-price\", inputs: $inputs) {\n    id\n    version\n    output\n    source\n    durationMs\n  }\n}\n\nquery TypedPriceOfCar($inputs: [CarPriceInput!]!) {\n  predictCarPrice(inputs: $inputs) {\n    predictionId\n    version\n    source\n    sellingPrice\n  }\n}\n\nquery MyPredictions {\n  predictions(first: 10) {\n    nodes {\n      id\n      input\n      output\n      source\n      model {\n        name\n      }\n    }\n    totalCount\n  }\n}": types.SignInDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation SignIn($email: String!, $password: String!) {\n  login(input: {email: $email, password: $password}) {\n    accessToken\n    refreshToken\n    user {\n      id\n      email\n      role\n    }\n  }\n}\n\nquery EmployeesPage($first: Int!, $after: String) {\n  employees(first: $first, after: $after) {\n    nodes {\n      id\n      name\n      department {\n        name\n      }\n      manager {\n        name\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n    totalCount\n  }\n}\n\nquery PriceOfCar($inputs: [JSONObject!]!) {\n  predict(model: \"car-price\", inputs: $inputs) {\n    id\n    version\n    output\n    source\n    durationMs\n  }\n}\n\nquery TypedPriceOfCar($inputs: [CarPriceInput!]!) {\n  predictCarPrice(inputs: $inputs) {\n    predictionId\n    version\n    source\n    sellingPrice\n  }\n}\n\nquery MyPredictions {\n  predictions(first: 10) {\n    nodes {\n      id\n      input\n      output\n      source\n      model {\n        name\n      }\n    }\n    totalCount\n  }\n}"): typeof import('./graphql.js').SignInDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
