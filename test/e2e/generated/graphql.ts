/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** Where an answer came from. */
export type PredictionSource =
  /** The same question was answered before by the same version. */
  | 'CACHE'
  /** The model computed it for this call. */
  | 'MODEL';

/** What a user may do. */
export type Role =
  /** May do everything. */
  | 'ADMIN'
  /** Sees salaries of, and updates, the own department and all direct and indirect reports. */
  | 'MANAGER'
  /** Reads employees without their salaries, predicts, and sees the own predictions. */
  | 'USER';

export type SignInMutationVariables = Exact<{
  email: string;
  password: string;
}>;


export type SignInMutation = { login: { accessToken: string, refreshToken: string, user: { id: string, email: string, role: Role } } };

export type EmployeesPageQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
}>;


export type EmployeesPageQuery = { employees: { totalCount: number, nodes: Array<{ id: string, name: string, department: { name: string }, manager: { name: string } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type PriceOfCarQueryVariables = Exact<{
  inputs: Array<Record<string, unknown>> | Record<string, unknown>;
}>;


export type PriceOfCarQuery = { predict: Array<{ id: string, version: number, output: Record<string, unknown>, source: PredictionSource, durationMs: number }> };

export type MyPredictionsQueryVariables = Exact<{ [key: string]: never; }>;


export type MyPredictionsQuery = { predictions: { totalCount: number, nodes: Array<{ id: string, input: Record<string, unknown>, output: Record<string, unknown>, source: PredictionSource, model: { name: string } }> } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}

export const SignInDocument = new TypedDocumentString(`
    mutation SignIn($email: String!, $password: String!) {
  login(input: {email: $email, password: $password}) {
    accessToken
    refreshToken
    user {
      id
      email
      role
    }
  }
}
    `) as unknown as TypedDocumentString<SignInMutation, SignInMutationVariables>;
export const EmployeesPageDocument = new TypedDocumentString(`
    query EmployeesPage($first: Int!, $after: String) {
  employees(first: $first, after: $after) {
    nodes {
      id
      name
      department {
        name
      }
      manager {
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
    totalCount
  }
}
    `) as unknown as TypedDocumentString<EmployeesPageQuery, EmployeesPageQueryVariables>;
export const PriceOfCarDocument = new TypedDocumentString(`
    query PriceOfCar($inputs: [JSONObject!]!) {
  predict(model: "car-price", inputs: $inputs) {
    id
    version
    output
    source
    durationMs
  }
}
    `) as unknown as TypedDocumentString<PriceOfCarQuery, PriceOfCarQueryVariables>;
export const MyPredictionsDocument = new TypedDocumentString(`
    query MyPredictions {
  predictions(first: 10) {
    nodes {
      id
      input
      output
      source
      model {
        name
      }
    }
    totalCount
  }
}
    `) as unknown as TypedDocumentString<MyPredictionsQuery, MyPredictionsQueryVariables>;