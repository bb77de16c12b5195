/* eslint-disable */
import * as types from './graphql.ts';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

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
    "mutation SignIn($email: String!, $password: String!) {\n  login(input: {email: $email, password: $password}) {\n    ...SessionTokens\n  }\n}\n\nmutation RefreshSession($refreshToken: String!) {\n  refreshSession(refreshToken: $refreshToken) {\n    ...SessionTokens\n  }\n}\n\nmutation SignOut {\n  logout {\n    signedOutUserId\n  }\n}\n\nfragment SessionTokens on Session {\n  accessToken\n  accessTokenExpiresAt\n  refreshToken\n}\n\nquery EmployeesPage($first: Int!, $after: String) {\n  employees(first: $first, after: $after) {\n    nodes {\n      name\n      hiredOn\n      department {\n        name\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}\n\nquery CarPrices($cars: [CarPriceInput!]!) {\n  predictCarPrice(inputs: $cars) {\n    sellingPrice\n    source\n  }\n}\n\nsubscription PredictionRecorded {\n  predictionRecorded {\n    createdAt\n    source\n    input\n    output\n    model {\n      name\n    }\n  }\n}": typeof types.SignInDocument,
};
const documents: Documents = {
    "mutation SignIn($email: String!, $password: String!) {\n  login(input: {email: $email, password: $password}) {\n    ...SessionTokens\n  }\n}\n\nmutation RefreshSession($refreshToken: String!) {\n  refreshSession(refreshToken: $refreshToken) {\n    ...SessionTokens\n  }\n}\n\nmutation SignOut {\n  logout {\n    signedOutUserId\n  }\n}\n\nfragment SessionTokens on Session {\n  accessToken\n  accessTokenExpiresAt\n  refreshToken\n}\n\nquery EmployeesPage($first: Int!, $after: String) {\n  employees(first: $first, after: $after) {\n    nodes {\n      name\n      hiredOn\n      department {\n        name\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}\n\nquery CarPrices($cars: [CarPriceInput!]!) {\n  predictCarPrice(inputs: $cars) {\n    sellingPrice\n    source\n  }\n}\n\nsubscription PredictionRecorded {\n  predictionRecorded {\n    createdAt\n    source\n    input\n    output\n    model {\n      name\n    }\n  }\n}": types.SignInDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation SignIn($email: String!, $password: String!) {\n  login(input: {email: $email, password: $password}) {\n    ...SessionTokens\n  }\n}\n\nmutation RefreshSession($refreshToken: String!) {\n  refreshSession(refreshToken: $refreshToken) {\n    ...SessionTokens\n  }\n}\n\nmutation SignOut {\n  logout {\n    signedOutUserId\n  }\n}\n\nfragment SessionTokens on Session {\n  accessToken\n  accessTokenExpiresAt\n  refreshToken\n}\n\nquery EmployeesPage($first: Int!, $after: String) {\n  employees(first: $first, after: $after) {\n    nodes {\n      name\n      hiredOn\n      department {\n        name\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}\n\nquery CarPrices($cars: [CarPriceInput!]!) {\n  predictCarPrice(inputs: $cars) {\n    sellingPrice\n    source\n  }\n}\n\nsubscription PredictionRecorded {\n  predictionRecorded {\n    createdAt\n    source\n    input\n    output\n    model {\n      name\n    }\n  }\n}"): (typeof documents)["mutation SignIn($email: String!, $password: String!) {\n  login(input: {email: $email, password: $password}) {\n    ...SessionTokens\n  }\n}\n\nmutation RefreshSession($refreshToken: String!) {\n  refreshSession(refreshToken: $refreshToken) {\n    ...SessionTokens\n  }\n}\n\nmutation SignOut {\n  logout {\n    signedOutUserId\n  }\n}\n\nfragment SessionTokens on Session {\n  accessToken\n  accessTokenExpiresAt\n  refreshToken\n}\n\nquery EmployeesPage($first: Int!, $after: String) {\n  employees(first: $first, after: $after) {\n    nodes {\n      name\n      hiredOn\n      department {\n        name\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}\n\nquery CarPrices($cars: [CarPriceInput!]!) {\n  predictCarPrice(inputs: $cars) {\n    sellingPrice\n    source\n  }\n}\n\nsubscription PredictionRecorded {\n  predictionRecorded {\n    createdAt\n    source\n    input\n    output\n    model {\n      name\n    }\n  }\n}"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;