/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
/** Known values of fuel of car-price. `predict` accepts other values too. */
export const CarPriceFuel = {
  /** The value CNG of fuel. */
  Cng: 'CNG',
  /** The value Diesel of fuel. */
  Diesel: 'Diesel',
  /** The value LPG of fuel. */
  Lpg: 'LPG',
  /** The value Petrol of fuel. */
  Petrol: 'Petrol'
} as const;

export type CarPriceFuel = typeof CarPriceFuel[keyof typeof CarPriceFuel];
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
export const CarPriceTransmission = {
  /** The value Automatic of transmission. */
  Automatic: 'Automatic',
  /** The value Manual of transmission. */
  Manual: 'Manual'
} as const;

export type CarPriceTransmission = typeof CarPriceTransmission[keyof typeof CarPriceTransmission];
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
export type SignInMutationVariables = Exact<{
  email: string;
  password: string;
}>;


export type SignInMutation = { login: { accessToken: string, accessTokenExpiresAt: string, refreshToken: string } | null };

export type RefreshSessionMutationVariables = Exact<{
  refreshToken: string;
}>;


export type RefreshSessionMutation = { refreshSession: { accessToken: string, accessTokenExpiresAt: string, refreshToken: string } | null };

export type SignOutMutationVariables = Exact<{ [key: string]: never; }>;


export type SignOutMutation = { logout: { signedOutUserId: string } | null };

export type SessionTokensFragment = { accessToken: string, accessTokenExpiresAt: string, refreshToken: string };

export type EmployeesPageQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
}>;


export type EmployeesPageQuery = { employees: { nodes: Array<{ name: string, hiredOn: string, department: { name: string } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type CarPricesQueryVariables = Exact<{
  cars: Array<CarPriceInput> | CarPriceInput;
}>;


export type CarPricesQuery = { predictCarPrice: Array<{ sellingPrice: number, source: PredictionSource } | null> };

export type PredictionRecordedSubscriptionVariables = Exact<{ [key: string]: never; }>;


export type PredictionRecordedSubscription = { predictionRecorded: { createdAt: string, source: PredictionSource, input: Record<string, unknown>, output: Record<string, unknown>, model: { name: string } } };

export const SessionTokensFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"SessionTokens"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Session"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"accessToken"}},{"kind":"Field","name":{"kind":"Name","value":"accessTokenExpiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"refreshToken"}}]}}]} as unknown as DocumentNode<SessionTokensFragment, unknown>;
export const SignInDocument = {"__meta__":{"hash":"sha256:19d8175d8662c80e33466256115fb030ff837e2b844415413b3c0f12a411699b"}} as unknown as DocumentNode<SignInMutation, SignInMutationVariables>;
export const RefreshSessionDocument = {"__meta__":{"hash":"sha256:303d594e15258150f319de34af95700c89be35e3f592551395da2dc619745eaf"}} as unknown as DocumentNode<RefreshSessionMutation, RefreshSessionMutationVariables>;
export const SignOutDocument = {"__meta__":{"hash":"sha256:0010ea103b0dae862fc5b4f0169466f8c6a37d4e4cf5fb316dec1aeeeca61a10"}} as unknown as DocumentNode<SignOutMutation, SignOutMutationVariables>;
export const EmployeesPageDocument = {"__meta__":{"hash":"sha256:a230b7bc74b22d905b3a52eaddd10c4495ec7a7a9130798e2dd90376114d95de"}} as unknown as DocumentNode<EmployeesPageQuery, EmployeesPageQueryVariables>;
export const CarPricesDocument = {"__meta__":{"hash":"sha256:9e75c59ab5acdb91ca25eca3daeb389a7b5000a028d19ab822eaf67764ed9e8f"}} as unknown as DocumentNode<CarPricesQuery, CarPricesQueryVariables>;
export const PredictionRecordedDocument = {"__meta__":{"hash":"sha256:ccb395e1d049953c23817d2ff1cf78a2561adb2ed2c05d2941a83fdb7e7c81d1"}} as unknown as DocumentNode<PredictionRecordedSubscription, PredictionRecordedSubscriptionVariables>;