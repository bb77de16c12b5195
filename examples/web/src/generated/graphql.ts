/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
/** The kind of a change. */
export const ChangeKind = {
  /** Newly created. */
  Created: 'CREATED',
  /** Deleted. */
  Deleted: 'DELETED',
  /** Changed. */
  Updated: 'UPDATED'
} as const;

export type ChangeKind = typeof ChangeKind[keyof typeof ChangeKind];
/** Conditions on a value, combined with AND. An absent one, or null, matches all. */
export type DateFilter = {
  /** Equal. Texts are equal only in the same case. */
  eq?: string | null | undefined;
  /** Greater than. */
  gt?: string | null | undefined;
  /** Greater than or equal. */
  gte?: string | null | undefined;
  /** One of these, at most 100; an empty list matches nothing. */
  in?: Array<string> | null | undefined;
  /** Whether there is no value. */
  isNull?: boolean | null | undefined;
  /** Less than. Texts are compared by code points, or by the collation of the column. */
  lt?: string | null | undefined;
  /** Less than or equal. */
  lte?: string | null | undefined;
  /** Not equal; null is not equal to any value. */
  ne?: string | null | undefined;
  /** None of these, at most 100. */
  notIn?: Array<string> | null | undefined;
};

/** Conditions on a value, combined with AND. An absent one, or null, matches all. */
export type DateTimeFilter = {
  /** Equal. Texts are equal only in the same case. */
  eq?: string | null | undefined;
  /** Greater than. */
  gt?: string | null | undefined;
  /** Greater than or equal. */
  gte?: string | null | undefined;
  /** One of these, at most 100; an empty list matches nothing. */
  in?: Array<string> | null | undefined;
  /** Whether there is no value. */
  isNull?: boolean | null | undefined;
  /** Less than. Texts are compared by code points, or by the collation of the column. */
  lt?: string | null | undefined;
  /** Less than or equal. */
  lte?: string | null | undefined;
  /** Not equal; null is not equal to any value. */
  ne?: string | null | undefined;
  /** None of these, at most 100. */
  notIn?: Array<string> | null | undefined;
};

/** Conditions on employees, combined with AND; an absent condition, or null, matches all. Tables of more than MAX_UNINDEXED_ROWS rows (50,000 unless configured) are read only by an index: one condition outside of `not` (of `or`, one in each filter) must be on an indexed column (id, name, email, age, hiredOn, salary, createdAt, department, manager), by another operator than `ne` and `notIn`. At most 20 conditions, 5 levels of `and`, `or` and `not`. */
export type EmployeeFilter = {
  /** Conditions on age. */
  age?: IntFilter | null | undefined;
  /** Filters that must all match. */
  and?: Array<EmployeeFilter> | null | undefined;
  /** Conditions on createdAt. */
  createdAt?: DateTimeFilter | null | undefined;
  /** Conditions on its department, which it must have. */
  department?: RelatedDepartmentFilter | null | undefined;
  /** ID of the department. */
  departmentId?: string | number | null | undefined;
  /** Conditions on email. */
  email?: StringFilter | null | undefined;
  /** First day at work on this date or later. */
  hiredAfter?: string | null | undefined;
  /** First day at work on this date or earlier. */
  hiredBefore?: string | null | undefined;
  /** Conditions on hiredOn. */
  hiredOn?: DateFilter | null | undefined;
  /** Conditions on id. */
  id?: IdFilter | null | undefined;
  /** Conditions on jobLevel. */
  jobLevel?: IntFilter | null | undefined;
  /** Conditions on jobTitle. */
  jobTitle?: StringFilter | null | undefined;
  /** Conditions on its manager, which it must have. */
  manager?: RelatedEmployeeFilter | null | undefined;
  /** ID of the direct manager. */
  managerId?: string | number | null | undefined;
  /** Maximum age in years, inclusive. */
  maxAge?: number | null | undefined;
  /** Minimum age in years, inclusive. */
  minAge?: number | null | undefined;
  /** Conditions on name. */
  name?: StringFilter | null | undefined;
  /** A filter that must not match. */
  not?: EmployeeFilter | null | undefined;
  /** Filters of which one must match; an empty list matches nothing. */
  or?: Array<EmployeeFilter> | null | undefined;
  /** Conditions on salary. FORBIDDEN unless the viewer may read it in every row. */
  salary?: IntFilter | null | undefined;
  /** Case-insensitive substring of the name, e-mail address or job title; up to 100 characters. */
  search?: string | null | undefined;
  /** Conditions on updatedAt. */
  updatedAt?: DateTimeFilter | null | undefined;
};

/** The order of a list of Employees. Null is last in ascending order. */
export type EmployeeOrder = {
  /** The sort direction. */
  direction?: OrderDirection;
  /** The sort key. */
  field: EmployeeOrderField;
};

/** The sort key of a list of Employees. Ties are ordered by id, so that pages are stable. */
export const EmployeeOrderField = {
  /** By age. */
  Age: 'AGE',
  /** By createdAt. */
  CreatedAt: 'CREATED_AT',
  /** By email. */
  Email: 'EMAIL',
  /** By hiredOn. */
  HiredOn: 'HIRED_ON',
  /** By id. */
  Id: 'ID',
  /** By jobLevel. No index: after another column, on small tables, or within a filter. */
  JobLevel: 'JOB_LEVEL',
  /** By jobTitle. No index: after another column, on small tables, or within a filter. */
  JobTitle: 'JOB_TITLE',
  /** By name. */
  Name: 'NAME',
  /** By salary. FORBIDDEN unless the viewer may read it in every row. */
  Salary: 'SALARY',
  /** By updatedAt. No index: after another column, on small tables, or within a filter. */
  UpdatedAt: 'UPDATED_AT'
} as const;

export type EmployeeOrderField = typeof EmployeeOrderField[keyof typeof EmployeeOrderField];
/** Conditions on a value, combined with AND. An absent one, or null, matches all. */
export type IdFilter = {
  /** Equal. Texts are equal only in the same case. */
  eq?: string | number | null | undefined;
  /** One of these, at most 100; an empty list matches nothing. */
  in?: Array<string | number> | null | undefined;
  /** Whether there is no value. */
  isNull?: boolean | null | undefined;
  /** Not equal; null is not equal to any value. */
  ne?: string | number | null | undefined;
  /** None of these, at most 100. */
  notIn?: Array<string | number> | null | undefined;
};

/** Conditions on a value, combined with AND. An absent one, or null, matches all. */
export type IntFilter = {
  /** Equal. Texts are equal only in the same case. */
  eq?: number | null | undefined;
  /** Greater than. */
  gt?: number | null | undefined;
  /** Greater than or equal. */
  gte?: number | null | undefined;
  /** One of these, at most 100; an empty list matches nothing. */
  in?: Array<number> | null | undefined;
  /** Whether there is no value. */
  isNull?: boolean | null | undefined;
  /** Less than. Texts are compared by code points, or by the collation of the column. */
  lt?: number | null | undefined;
  /** Less than or equal. */
  lte?: number | null | undefined;
  /** Not equal; null is not equal to any value. */
  ne?: number | null | undefined;
  /** None of these, at most 100. */
  notIn?: Array<number> | null | undefined;
};

/** The sort direction. */
export const OrderDirection = {
  /** Lowest value first. */
  Asc: 'ASC',
  /** Highest value first. */
  Desc: 'DESC'
} as const;

export type OrderDirection = typeof OrderDirection[keyof typeof OrderDirection];
/** Where the result comes from. */
export const PredictionSource = {
  /** Found in the prediction cache: the same version has computed the same row before. */
  Cache: 'CACHE',
  /** Computed for this call. */
  Model: 'MODEL',
  /** An expired cached result, since the model failed or timed out. See ageSeconds. */
  Stale: 'STALE'
} as const;

export type PredictionSource = typeof PredictionSource[keyof typeof PredictionSource];
/** Conditions on the Department that another object refers to, combined with AND. */
export type RelatedDepartmentFilter = {
  /** Conditions on id. */
  id?: IdFilter | null | undefined;
  /** Whether there is none. */
  isNull?: boolean | null | undefined;
  /** Conditions on name. */
  name?: StringFilter | null | undefined;
};

/** Conditions on the Employee that another object refers to, combined with AND. */
export type RelatedEmployeeFilter = {
  /** Conditions on age. */
  age?: IntFilter | null | undefined;
  /** Conditions on createdAt. */
  createdAt?: DateTimeFilter | null | undefined;
  /** Conditions on email. */
  email?: StringFilter | null | undefined;
  /** Conditions on hiredOn. */
  hiredOn?: DateFilter | null | undefined;
  /** Conditions on id. */
  id?: IdFilter | null | undefined;
  /** Whether there is none. */
  isNull?: boolean | null | undefined;
  /** Conditions on jobLevel. */
  jobLevel?: IntFilter | null | undefined;
  /** Conditions on jobTitle. */
  jobTitle?: StringFilter | null | undefined;
  /** Conditions on name. */
  name?: StringFilter | null | undefined;
  /** Conditions on salary. FORBIDDEN unless the viewer may read it in every row. */
  salary?: IntFilter | null | undefined;
  /** Conditions on updatedAt. */
  updatedAt?: DateTimeFilter | null | undefined;
};

/** The role of a user. */
export const Role = {
  /** Full access. */
  Admin: 'ADMIN',
  /** Reads salaries of, and updates, employees of the same department and all direct and indirect reports. */
  Manager: 'MANAGER',
  /** Reads employees without salaries, runs predictions and reads their own. */
  User: 'USER'
} as const;

export type Role = typeof Role[keyof typeof Role];
/** Conditions on a value, combined with AND. An absent one, or null, matches all. */
export type StringFilter = {
  /** Contains this text, in upper or lower case. */
  contains?: string | null | undefined;
  /** Equal. Texts are equal only in the same case. */
  eq?: string | null | undefined;
  /** Greater than. */
  gt?: string | null | undefined;
  /** Greater than or equal. */
  gte?: string | null | undefined;
  /** One of these, at most 100; an empty list matches nothing. */
  in?: Array<string> | null | undefined;
  /** Whether there is no value. */
  isNull?: boolean | null | undefined;
  /** Less than. Texts are compared by code points, or by the collation of the column. */
  lt?: string | null | undefined;
  /** Less than or equal. */
  lte?: string | null | undefined;
  /** Not equal; null is not equal to any value. */
  ne?: string | null | undefined;
  /** None of these, at most 100. */
  notIn?: Array<string> | null | undefined;
  /** Starts with this text, in upper or lower case. */
  startsWith?: string | null | undefined;
};

/** A change of an employee. An absent field stays as it is; null clears managerId and is invalid for the others, which are never empty. */
export type UpdateEmployeeInput = {
  /** Age in years, 16 to 100. */
  age?: number | null | undefined;
  /** ID of the department. */
  departmentId?: string | number | null | undefined;
  /** Work e-mail address; unique. Stored in lower case. */
  email?: string | null | undefined;
  /** The version that the update is based on. CONFLICT if the employee was changed since. */
  expectedVersion?: number | null | undefined;
  /** First day at work; from 1900-01-01 to one year ahead. */
  hiredOn?: string | null | undefined;
  /** Seniority, 1 (entry) to 5 (executive). */
  jobLevel?: number | null | undefined;
  /** Job title, up to 100 characters. */
  jobTitle?: string | null | undefined;
  /** ID of the manager; null for none. The reporting lines must not form a cycle. */
  managerId?: string | number | null | undefined;
  /** Full name, up to 100 characters. */
  name?: string | null | undefined;
  /** Yearly salary in whole units of the company's currency, 0 or more. */
  salary?: number | null | undefined;
};

export type SignInMutationVariables = Exact<{
  email: string;
  password: string;
}>;


export type SignInMutation = { __typename: 'Mutation', login: { __typename: 'Session', accessToken: string, accessTokenExpiresAt: string, refreshToken: string, user: { __typename: 'User', id: string, email: string, role: Role, employee: { __typename: 'Employee', id: string } | null } } | null };

export type RefreshSessionMutationVariables = Exact<{
  refreshToken: string;
}>;


export type RefreshSessionMutation = { __typename: 'Mutation', refreshSession: { __typename: 'Session', accessToken: string, accessTokenExpiresAt: string, refreshToken: string, user: { __typename: 'User', id: string, email: string, role: Role, employee: { __typename: 'Employee', id: string } | null } } | null };

export type SignOutMutationVariables = Exact<{ [key: string]: never; }>;


export type SignOutMutation = { __typename: 'Mutation', logout: { __typename: 'LogoutPayload', signedOutUserId: string } | null };

export type SessionFieldsFragment = { __typename: 'Session', accessToken: string, accessTokenExpiresAt: string, refreshToken: string, user: { __typename: 'User', id: string, email: string, role: Role, employee: { __typename: 'Employee', id: string } | null } };

export type DepartmentsQueryVariables = Exact<{ [key: string]: never; }>;


export type DepartmentsQuery = { __typename: 'Query', departments: Array<{ __typename: 'Department', id: string, name: string }> };

export type EmployeesQueryVariables = Exact<{
  filter?: EmployeeFilter | null | undefined;
  orderBy?: EmployeeOrder | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}>;


export type EmployeesQuery = { __typename: 'Query', employees: { __typename: 'EmployeeConnection', totalCount: number, edges: Array<{ __typename: 'EmployeeEdge', node: { __typename: 'Employee', id: string, name: string, email: string, jobTitle: string, jobLevel: number, hiredOn: string, salary: number | null, canUpdate: boolean, version: number, expectedSalary: { __typename: 'EmployeeExpectedSalaryPrediction', value: number } | null, department: { __typename: 'Department', id: string, name: string } } }>, pageInfo: { __typename: 'PageInfo', hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } };

export type UpdateEmployeeMutationVariables = Exact<{
  id: string | number;
  input: UpdateEmployeeInput;
}>;


export type UpdateEmployeeMutation = { __typename: 'Mutation', updateEmployee: { __typename: 'Employee', id: string, name: string, email: string, jobTitle: string, jobLevel: number, hiredOn: string, salary: number | null, canUpdate: boolean, version: number, expectedSalary: { __typename: 'EmployeeExpectedSalaryPrediction', value: number } | null, department: { __typename: 'Department', id: string, name: string } } | null };

export type EmployeeChangedSubscriptionVariables = Exact<{
  filter?: EmployeeFilter | null | undefined;
}>;


export type EmployeeChangedSubscription = { employeeChanged: { __typename: 'EmployeeChange', kind: ChangeKind, employeeId: string, employee: { __typename: 'Employee', id: string, name: string, email: string, jobTitle: string, jobLevel: number, hiredOn: string, salary: number | null, canUpdate: boolean, version: number, expectedSalary: { __typename: 'EmployeeExpectedSalaryPrediction', value: number } | null, department: { __typename: 'Department', id: string, name: string } } | null } };

export type EmployeeRowFragment = { __typename: 'Employee', id: string, name: string, email: string, jobTitle: string, jobLevel: number, hiredOn: string, salary: number | null, canUpdate: boolean, version: number, expectedSalary: { __typename: 'EmployeeExpectedSalaryPrediction', value: number } | null, department: { __typename: 'Department', id: string, name: string } };

export type ModelsQueryVariables = Exact<{ [key: string]: never; }>;


export type ModelsQuery = { __typename: 'Query', models: Array<{ __typename: 'Model', id: string, name: string, title: string, description: string | null, current: { __typename: 'ModelVersion', id: string, version: number, exampleInput: Record<string, unknown> | null, inputs: Array<{ __typename: 'ModelField', name: string, type: string, media: string | null, shape: Array<number | null>, required: boolean, description: string | null, unit: string | null, minimum: number | null, maximum: number | null, values: Array<string> | null }>, outputs: Array<{ __typename: 'ModelField', name: string, unit: string | null }> } | null }> };

export type PredictQueryVariables = Exact<{
  model: string;
  row: Record<string, unknown>;
}>;


export type PredictQuery = { __typename: 'Query', predict: Array<{ __typename: 'Prediction', id: string, output: Record<string, unknown>, source: PredictionSource, version: number } | null> };

export type RecentPredictionsQueryVariables = Exact<{ [key: string]: never; }>;


export type RecentPredictionsQuery = { __typename: 'Query', predictions: { __typename: 'PredictionConnection', nodes: Array<{ __typename: 'Prediction', id: string, input: Record<string, unknown>, output: Record<string, unknown>, source: PredictionSource, createdAt: string, model: { __typename: 'Model', id: string, name: string, title: string, current: { __typename: 'ModelVersion', id: string, outputs: Array<{ __typename: 'ModelField', name: string, unit: string | null }> } | null } }> } };

export type PredictionRecordedSubscriptionVariables = Exact<{ [key: string]: never; }>;


export type PredictionRecordedSubscription = { predictionRecorded: { __typename: 'Prediction', id: string, input: Record<string, unknown>, output: Record<string, unknown>, source: PredictionSource, createdAt: string, model: { __typename: 'Model', id: string, name: string, title: string, current: { __typename: 'ModelVersion', id: string, outputs: Array<{ __typename: 'ModelField', name: string, unit: string | null }> } | null } } };

export type RecentPredictionFragment = { __typename: 'Prediction', id: string, input: Record<string, unknown>, output: Record<string, unknown>, source: PredictionSource, createdAt: string, model: { __typename: 'Model', id: string, name: string, title: string, current: { __typename: 'ModelVersion', id: string, outputs: Array<{ __typename: 'ModelField', name: string, unit: string | null }> } | null } };

export const SessionFieldsFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"SessionFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Session"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"accessToken"}},{"kind":"Field","name":{"kind":"Name","value":"accessTokenExpiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"refreshToken"}},{"kind":"Field","name":{"kind":"Name","value":"user"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"employee"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]} as unknown as DocumentNode<SessionFieldsFragment, unknown>;
export const EmployeeRowFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"EmployeeRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Employee"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"jobTitle"}},{"kind":"Field","name":{"kind":"Name","value":"jobLevel"}},{"kind":"Field","name":{"kind":"Name","value":"hiredOn"}},{"kind":"Field","name":{"kind":"Name","value":"salary"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"onForbidden"},"value":{"kind":"EnumValue","value":"NULL"}}]},{"kind":"Field","name":{"kind":"Name","value":"expectedSalary"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"onForbidden"},"value":{"kind":"EnumValue","value":"NULL"}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"canUpdate"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"department"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]} as unknown as DocumentNode<EmployeeRowFragment, unknown>;
export const RecentPredictionFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"RecentPrediction"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Prediction"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"input"}},{"kind":"Field","name":{"kind":"Name","value":"output"}},{"kind":"Field","name":{"kind":"Name","value":"source"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"model"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"outputs"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"unit"}}]}}]}}]}}]}}]} as unknown as DocumentNode<RecentPredictionFragment, unknown>;
export const SignInDocument = {"__meta__":{"hash":"sha256:7168b0c47f45134acf600a9b9f3b9b95bc395bfad55901211306c31a1fb2c433"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"SignIn"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"email"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"password"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"login"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"ObjectValue","fields":[{"kind":"ObjectField","name":{"kind":"Name","value":"email"},"value":{"kind":"Variable","name":{"kind":"Name","value":"email"}}},{"kind":"ObjectField","name":{"kind":"Name","value":"password"},"value":{"kind":"Variable","name":{"kind":"Name","value":"password"}}}]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"SessionFields"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"SessionFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Session"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"accessToken"}},{"kind":"Field","name":{"kind":"Name","value":"accessTokenExpiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"refreshToken"}},{"kind":"Field","name":{"kind":"Name","value":"user"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"employee"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]} as unknown as DocumentNode<SignInMutation, SignInMutationVariables>;
export const RefreshSessionDocument = {"__meta__":{"hash":"sha256:ea1b43b2426d6aa530102decdcae4531d83267a5965bdbfa7030e80c1147cb9d"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RefreshSession"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"refreshToken"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"refreshSession"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"refreshToken"},"value":{"kind":"Variable","name":{"kind":"Name","value":"refreshToken"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"SessionFields"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"SessionFields"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Session"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"accessToken"}},{"kind":"Field","name":{"kind":"Name","value":"accessTokenExpiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"refreshToken"}},{"kind":"Field","name":{"kind":"Name","value":"user"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"employee"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]} as unknown as DocumentNode<RefreshSessionMutation, RefreshSessionMutationVariables>;
export const SignOutDocument = {"__meta__":{"hash":"sha256:13304521d46fafb48c6a37b1c723819a5cff05c3493979b8ab0ca98c9def24a0"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"SignOut"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"logout"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"signedOutUserId"}}]}}]}}]} as unknown as DocumentNode<SignOutMutation, SignOutMutationVariables>;
export const DepartmentsDocument = {"__meta__":{"hash":"sha256:6938ad0122cfa3a739c3f4504bfe483cf45049adbf0da04e317166a891251de1"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Departments"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"departments"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]} as unknown as DocumentNode<DepartmentsQuery, DepartmentsQueryVariables>;
export const EmployeesDocument = {"__meta__":{"hash":"sha256:d01d1339c70ed2059185699c39137f817ca565964286d634d8bad2f6c58b2e95"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Employees"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"filter"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"EmployeeFilter"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"orderBy"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"EmployeeOrder"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"last"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"before"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"employees"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"filter"},"value":{"kind":"Variable","name":{"kind":"Name","value":"filter"}}},{"kind":"Argument","name":{"kind":"Name","value":"orderBy"},"value":{"kind":"Variable","name":{"kind":"Name","value":"orderBy"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}},{"kind":"Argument","name":{"kind":"Name","value":"last"},"value":{"kind":"Variable","name":{"kind":"Name","value":"last"}}},{"kind":"Argument","name":{"kind":"Name","value":"before"},"value":{"kind":"Variable","name":{"kind":"Name","value":"before"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"EmployeeRow"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}},{"kind":"Field","name":{"kind":"Name","value":"totalCount"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"EmployeeRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Employee"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"jobTitle"}},{"kind":"Field","name":{"kind":"Name","value":"jobLevel"}},{"kind":"Field","name":{"kind":"Name","value":"hiredOn"}},{"kind":"Field","name":{"kind":"Name","value":"salary"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"onForbidden"},"value":{"kind":"EnumValue","value":"NULL"}}]},{"kind":"Field","name":{"kind":"Name","value":"expectedSalary"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"onForbidden"},"value":{"kind":"EnumValue","value":"NULL"}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"canUpdate"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"department"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]} as unknown as DocumentNode<EmployeesQuery, EmployeesQueryVariables>;
export const UpdateEmployeeDocument = {"__meta__":{"hash":"sha256:f3669bbf4b7bc926a4df32b67b9bb794706bb636fba14cfb4a752ef895966368"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"UpdateEmployee"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"UpdateEmployeeInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"updateEmployee"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}},{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"EmployeeRow"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"EmployeeRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Employee"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"jobTitle"}},{"kind":"Field","name":{"kind":"Name","value":"jobLevel"}},{"kind":"Field","name":{"kind":"Name","value":"hiredOn"}},{"kind":"Field","name":{"kind":"Name","value":"salary"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"onForbidden"},"value":{"kind":"EnumValue","value":"NULL"}}]},{"kind":"Field","name":{"kind":"Name","value":"expectedSalary"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"onForbidden"},"value":{"kind":"EnumValue","value":"NULL"}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"canUpdate"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"department"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]} as unknown as DocumentNode<UpdateEmployeeMutation, UpdateEmployeeMutationVariables>;
export const EmployeeChangedDocument = {"__meta__":{"hash":"sha256:4832dcac032c5dcb2e3364b2c024a3e251adaea0add68ce7e9087891d78f0bc1"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"EmployeeChanged"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"filter"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"EmployeeFilter"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"employeeChanged"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"filter"},"value":{"kind":"Variable","name":{"kind":"Name","value":"filter"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"employeeId"}},{"kind":"Field","name":{"kind":"Name","value":"employee"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"EmployeeRow"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"EmployeeRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Employee"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"jobTitle"}},{"kind":"Field","name":{"kind":"Name","value":"jobLevel"}},{"kind":"Field","name":{"kind":"Name","value":"hiredOn"}},{"kind":"Field","name":{"kind":"Name","value":"salary"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"onForbidden"},"value":{"kind":"EnumValue","value":"NULL"}}]},{"kind":"Field","name":{"kind":"Name","value":"expectedSalary"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"onForbidden"},"value":{"kind":"EnumValue","value":"NULL"}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"value"}}]}},{"kind":"Field","name":{"kind":"Name","value":"canUpdate"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"department"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}}]}}]}}]} as unknown as DocumentNode<EmployeeChangedSubscription, EmployeeChangedSubscriptionVariables>;
export const ModelsDocument = {"__meta__":{"hash":"sha256:52b5a10c198d0917273f9e10acb0fa3e4f8e6ea5795ea682fd0538a90febea91"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Models"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"models"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"description"}},{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"exampleInput"}},{"kind":"Field","name":{"kind":"Name","value":"inputs"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"type"}},{"kind":"Field","name":{"kind":"Name","value":"media"}},{"kind":"Field","name":{"kind":"Name","value":"shape"}},{"kind":"Field","name":{"kind":"Name","value":"required"}},{"kind":"Field","name":{"kind":"Name","value":"description"}},{"kind":"Field","name":{"kind":"Name","value":"unit"}},{"kind":"Field","name":{"kind":"Name","value":"minimum"}},{"kind":"Field","name":{"kind":"Name","value":"maximum"}},{"kind":"Field","name":{"kind":"Name","value":"values"}}]}},{"kind":"Field","name":{"kind":"Name","value":"outputs"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"unit"}}]}}]}}]}}]}}]} as unknown as DocumentNode<ModelsQuery, ModelsQueryVariables>;
export const PredictDocument = {"__meta__":{"hash":"sha256:1e3f4046e1949c7471121a21b425375d87871d25713f62cec4cd3af3b32b6751"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Predict"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"model"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"row"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"JSONObject"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"predict"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"model"},"value":{"kind":"Variable","name":{"kind":"Name","value":"model"}}},{"kind":"Argument","name":{"kind":"Name","value":"inputs"},"value":{"kind":"ListValue","values":[{"kind":"Variable","name":{"kind":"Name","value":"row"}}]}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"output"}},{"kind":"Field","name":{"kind":"Name","value":"source"}},{"kind":"Field","name":{"kind":"Name","value":"version"}}]}}]}}]} as unknown as DocumentNode<PredictQuery, PredictQueryVariables>;
export const RecentPredictionsDocument = {"__meta__":{"hash":"sha256:0ebd93d849b01a6cd23f2f5ce3788074e0eb985eedef9af57d55e7442369252a"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"RecentPredictions"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"predictions"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"IntValue","value":"5"}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"RecentPrediction"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"RecentPrediction"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Prediction"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"input"}},{"kind":"Field","name":{"kind":"Name","value":"output"}},{"kind":"Field","name":{"kind":"Name","value":"source"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"model"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"outputs"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"unit"}}]}}]}}]}}]}}]} as unknown as DocumentNode<RecentPredictionsQuery, RecentPredictionsQueryVariables>;
export const PredictionRecordedDocument = {"__meta__":{"hash":"sha256:3b1d1f86bcaefd4fa8ced52427a9638fd5c28b0dc14d958eb554cfa1501fc670"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"PredictionRecorded"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"predictionRecorded"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"FragmentSpread","name":{"kind":"Name","value":"RecentPrediction"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"RecentPrediction"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Prediction"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"input"}},{"kind":"Field","name":{"kind":"Name","value":"output"}},{"kind":"Field","name":{"kind":"Name","value":"source"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"model"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"current"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"outputs"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"unit"}}]}}]}}]}}]}}]} as unknown as DocumentNode<PredictionRecordedSubscription, PredictionRecordedSubscriptionVariables>;