/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** Known values of fuel of car-price. `predict` accepts other values too. */
export type CarPriceFuel =
  /** The value CNG of fuel. */
  | 'CNG'
  /** The value Diesel of fuel. */
  | 'Diesel'
  /** The value LPG of fuel. */
  | 'LPG'
  /** The value Petrol of fuel. */
  | 'Petrol';

/** An input row of car-price. Price of a used car. */
export type CarPriceInput = {
  /** Maker of the car. One that is not in the list is accepted and treated as unknown. Known values: Ambassador, Ashok Leyland, Audi, BMW, Chevrolet, Datsun, Fiat, Force, Ford, Honda, Hyundai, Isuzu, Jaguar, Jeep, Kia, Land Rover, Lexus, MG, Mahindra, Maruti, Mercedes-Benz, Mitsubishi, Nissan, Opel, Peugeot, Renault, Skoda, Tata, Toyota, Volkswagen, Volvo. */
  company: string;
  /** Engine displacement. Unit: cc. From 100 to 8000. */
  engineCc?: number | null | undefined;
  /** The same as engineCc, in the spelling of `predict`; send one of them. */
  engine_cc?: number | null | undefined;
  /** What the car runs on. Anything else, such as electricity, is treated as unknown. `predict` accepts other values too. */
  fuel?: CarPriceFuel | null | undefined;
  /** Distance driven so far. Unit: km. From 0 to 3000000. Required, unless km_driven is given. */
  kmDriven?: number | null | undefined;
  /** The same as kmDriven, in the spelling of `predict`; send one of them. */
  km_driven?: number | null | undefined;
  /** Greatest power. Of the optional columns, the one worth the most; state it where you can. Unit: bhp. From 10 to 1000. */
  maxPowerBhp?: number | null | undefined;
  /** The same as maxPowerBhp, in the spelling of `predict`; send one of them. */
  max_power_bhp?: number | null | undefined;
  /** Fuel economy as the maker states it. Unit: mpg. From 5 to 150. */
  mileageMpg?: number | null | undefined;
  /** The same as mileageMpg, in the spelling of `predict`; send one of them. */
  mileage_mpg?: number | null | undefined;
  /** Which owner is selling; a test drive car has had none. One of: First, Fourth & Above, Second, Test Drive Car, Third. */
  owner?: string | null | undefined;
  /** Number of seats, the driver's included. From 1 to 20. */
  seats?: number | null | undefined;
  /** Who is selling. Known values: Dealer, Individual, Trustmark Dealer. */
  sellerType?: string | null | undefined;
  /** The same as sellerType, in the spelling of `predict`; send one of them. */
  seller_type?: string | null | undefined;
  /** Greatest torque. Unit: Nm. From 20 to 1000. */
  torqueNm?: number | null | undefined;
  /** The same as torqueNm, in the spelling of `predict`; send one of them. */
  torque_nm?: number | null | undefined;
  /** Manual or automatic gearbox. */
  transmission?: CarPriceTransmission | null | undefined;
  /** Year of first registration. The data ends in 2020; later years count as 2020. Unit: year. From 1980 to 2030. */
  year: number;
};

/** Known values of transmission of car-price. */
export type CarPriceTransmission =
  /** The value Automatic of transmission. */
  | 'Automatic'
  /** The value Manual of transmission. */
  | 'Manual';

/** Where the result comes from. */
export type PredictionSource =
  /** Found in the prediction cache: the same version has computed the same row before. */
  | 'CACHE'
  /** Computed for this call. */
  | 'MODEL'
  /** An expired cached result, since the model failed or timed out. See ageSeconds. */
  | 'STALE';

/** The role of a user. */
export type Role =
  /** Full access. */
  | 'ADMIN'
  /** Reads salaries of, and updates, employees of the same department and all direct and indirect reports. */
  | 'MANAGER'
  /** Reads employees without salaries, runs predictions and reads their own. */
  | 'USER';

export type SignInMutationVariables = Exact<{
  email: string;
  password: string;
}>;


export type SignInMutation = { login: { accessToken: string, refreshToken: string, user: { id: string, email: string, role: Role } } | null };

export type EmployeesPageQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
}>;


export type EmployeesPageQuery = { employees: { totalCount: number, nodes: Array<{ id: string, name: string, department: { name: string }, manager: { name: string } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type PriceOfCarQueryVariables = Exact<{
  inputs: Array<Record<string, unknown>> | Record<string, unknown>;
}>;


export type PriceOfCarQuery = { predict: Array<{ id: string, version: number, output: Record<string, unknown>, source: PredictionSource, durationMs: number } | null> };

export type TypedPriceOfCarQueryVariables = Exact<{
  inputs: Array<CarPriceInput> | CarPriceInput;
}>;


export type TypedPriceOfCarQuery = { predictCarPrice: Array<{ predictionId: string, version: number, source: PredictionSource, sellingPrice: number } | null> };

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
    predictionId
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