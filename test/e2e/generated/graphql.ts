/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** The values of fuel that car-price knows. `predict` takes other values as well. */
export type CarPriceFuel =
  /** The value CNG of fuel. */
  | 'CNG'
  /** The value Diesel of fuel. */
  | 'Diesel'
  /** The value LPG of fuel. */
  | 'LPG'
  /** The value Petrol of fuel. */
  | 'Petrol';

/** A row for car-price. Price of a used car. */
export type CarPriceInput = {
  /** Maker of the car. One that is not in the list is accepted and treated as unknown. Known values: Ambassador, Ashok Leyland, Audi, BMW, Chevrolet, Datsun, Fiat, Force, Ford, Honda, Hyundai, Isuzu, Jaguar, Jeep, Kia, Land Rover, Lexus, MG, Mahindra, Maruti, Mercedes-Benz, Mitsubishi, Nissan, Opel, Peugeot, Renault, Skoda, Tata, Toyota, Volkswagen, Volvo. */
  company: string;
  /** Engine displacement. Unit: cc. From 100 to 8000. */
  engineCc?: number | null | undefined;
  /** What the car runs on. Anything else, such as electricity, is treated as unknown. `predict` takes other values as well. */
  fuel?: CarPriceFuel | null | undefined;
  /** Distance driven so far. Unit: km. From 0 to 3000000. */
  kmDriven: number;
  /** Greatest power. Of the optional columns, the one worth the most; state it where you can. Unit: bhp. From 10 to 1000. */
  maxPowerBhp?: number | null | undefined;
  /** Fuel economy as the maker states it. Unit: mpg. From 5 to 150. */
  mileageMpg?: number | null | undefined;
  /** Which owner is selling; a test drive car has had none. One of: First, Fourth & Above, Second, Test Drive Car, Third. */
  owner?: string | null | undefined;
  /** Number of seats, the driver's included. From 1 to 20. */
  seats?: number | null | undefined;
  /** Who is selling. Known values: Dealer, Individual, Trustmark Dealer. */
  sellerType?: string | null | undefined;
  /** Greatest torque. Unit: Nm. From 20 to 1000. */
  torqueNm?: number | null | undefined;
  /** Manual or automatic gearbox. */
  transmission?: CarPriceTransmission | null | undefined;
  /** Year of first registration. The data ends in 2020; later years count as 2020. Unit: year. From 1980 to 2030. */
  year: number;
};

/** The values of transmission that car-price knows. */
export type CarPriceTransmission =
  /** The value Automatic of transmission. */
  | 'Automatic'
  /** The value Manual of transmission. */
  | 'Manual';

/** Where an answer came from. */
export type PredictionSource =
  /** The same question was answered before by the same version. */
  | 'CACHE'
  /** The model computed it for this call. */
  | 'MODEL'
  /** The model failed or was late; an expired answer stands in. See ageSeconds. */
  | 'STALE';

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

export type TypedPriceOfCarQueryVariables = Exact<{
  inputs: Array<CarPriceInput> | CarPriceInput;
}>;


export type TypedPriceOfCarQuery = { predictCarPrice: Array<{ id: string, version: number, source: PredictionSource, sellingPrice: number }> };

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
export const TypedPriceOfCarDocument = new TypedDocumentString(`
    query TypedPriceOfCar($inputs: [CarPriceInput!]!) {
  predictCarPrice(inputs: $inputs) {
    id
    version
    source
    sellingPrice
  }
}
    `) as unknown as TypedDocumentString<TypedPriceOfCarQuery, TypedPriceOfCarQueryVariables>;
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