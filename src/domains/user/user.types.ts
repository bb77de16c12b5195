import { GraphQLDateTime } from 'graphql-scalars';
import { Field, InputType, ObjectType } from 'type-graphql';
import type { Role } from '../../auth/viewer.js';
import { connectionType } from '../../graphql/connection.js';
import { ApiKey } from './api-key.entity.js';
import { User } from './user.entity.js';

/** A user as reads give it. */
export interface UserRow {
  id: string;
  email: string;
  role: Role;
  isActive: boolean;
  employeeId: string | null;
  createdAt: Date;
}

/** An API key as reads give it. */
export interface ApiKeyRow {
  id: string;
  userId: string;
  name: string;
  prefix: string;
  scopes: string[];
  lastUsedAt: Date | null;
  expiresAt: Date | null;
  createdAt: Date;
}

export const UserConnection = connectionType<UserRow>(User, 'User');

@InputType({ description: 'A new account.' })
export class RegisterInput {
  @Field({ description: 'The address to sign in with.' })
  email!: string;

  @Field({ description: 'The password: 12 characters or more, 72 bytes at the most.' })
  password!: string;
}

@InputType({ description: 'What signs in.' })
export class LoginInput {
  @Field({ description: 'The address of the account.' })
  email!: string;

  @Field({ description: 'The password of the account.' })
  password!: string;
}

@ObjectType({ simpleResolvers: true, description: 'A sign-in: a short-lived access token and the refresh token that renews it.' })
export class Session {
  @Field({ description: 'Send it as "Authorization: Bearer <accessToken>".' })
  accessToken!: string;

  @Field(() => GraphQLDateTime, { description: 'When the access token stops working.' })
  accessTokenExpiresAt!: Date;

  @Field({ description: 'Send it to refreshSession, once; the answer holds the next one.' })
  refreshToken!: string;

  @Field(() => GraphQLDateTime, { description: 'When the refresh token stops working.' })
  refreshTokenExpiresAt!: Date;

  @Field(() => User, { description: 'Who signed in.' })
  user!: UserRow;
}

@ObjectType({ simpleResolvers: true, description: 'A new API key, with the secret that is shown this once.' })
export class CreatedApiKey {
  @Field(() => ApiKey, { description: 'The key.' })
  apiKey!: ApiKeyRow;

  @Field({ description: 'Send it as the header x-api-key. It is stored hashed and cannot be shown again.' })
  secret!: string;
}
