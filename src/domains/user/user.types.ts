import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import type { RowOf } from '../../database/rows.js';
import { Filters, indexNote } from '../../graphql/filtering/filter-inputs.js';
import { orderFields, orderInput } from '../../graphql/filtering/order.js';
import { connectionType } from '../../graphql/relay/connection.js';
import { ApiKey } from './api-key.entity.js';
import { SessionRecord } from './session.entity.js';
import { userColumns } from './user.columns.js';
import { User } from './user.entity.js';

/** Properties that rows omit. */
export const omittedFromUser = ['passwordHash', 'updatedAt'] as const;
export type UserRow = RowOf<User, (typeof omittedFromUser)[number]>;

export const omittedFromApiKey = ['secretHash', 'updatedAt'] as const;
export type ApiKeyRow = RowOf<ApiKey, (typeof omittedFromApiKey)[number]>;

export const omittedFromSession = ['refreshTokenHash', 'previousTokenHash', 'authenticatedAt'] as const;
export type SessionRow = RowOf<SessionRecord, (typeof omittedFromSession)[number]>;

export const UserConnection = connectionType<UserRow>(User, 'User');

export const UserOrder = orderInput(userColumns, orderFields(userColumns));
export type UserOrder = InstanceType<typeof UserOrder>;

@Filters(userColumns)
@InputType({
  description: `Conditions on users, combined with AND; an absent condition, or null, matches all. ${indexNote(userColumns)}`,
})
export class UserFilter {}

@InputType({ description: 'A new account.' })
export class RegisterInput {
  @Field({ description: 'E-mail address for sign-in; unique.' })
  email!: string;

  @Field({ description: 'The password: at least 12 characters, at most 72 bytes.' })
  password!: string;
}

@InputType({ description: 'Credentials of an account.' })
export class LoginInput {
  @Field({ description: 'E-mail address of the account.' })
  email!: string;

  @Field({ description: 'Password of the account.' })
  password!: string;
}

@ObjectType({
  simpleResolvers: true,
  description: 'The tokens of a session: a short-lived access token and a refresh token to renew it.',
})
export class Session {
  @Field({ description: 'Send it as "Authorization: Bearer <accessToken>".' })
  accessToken!: string;

  @Field(() => GraphQLDateTime, { description: 'Expiry of the access token.' })
  accessTokenExpiresAt!: Date;

  @Field({ description: 'Send it to refreshSession once; the result contains the next one.' })
  refreshToken!: string;

  @Field(() => GraphQLDateTime, { description: 'Expiry of the refresh token.' })
  refreshTokenExpiresAt!: Date;

  @Field(() => User, { description: 'The signed-in user.' })
  user!: UserRow;
}

@ObjectType({ simpleResolvers: true, description: 'The end of a session.' })
export class LogoutPayload {
  @Field(() => ID, { description: 'ID of the user whose session ended.' })
  signedOutUserId!: string;

  @Field(() => Int, { description: 'Number of sessions of the user that remain.' })
  remainingCount!: number;
}

@ObjectType({ simpleResolvers: true, description: 'A session that was ended.' })
export class EndSessionPayload {
  @Field(() => ID, { description: 'ID of the session that ended.' })
  endedSessionId!: string;

  @Field(() => Int, { description: 'Number of sessions of the user that remain.' })
  remainingCount!: number;
}

@ObjectType({ simpleResolvers: true, description: 'A proof of the password or a code.' })
export class ReauthenticatePayload {
  @Field(() => GraphQLDateTime, {
    description: 'Until when mutations that create credentials accept this session.',
  })
  validUntil!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'A revoked API key.' })
export class RevokeApiKeyPayload {
  @Field(() => ID, { description: 'ID of the revoked API key.' })
  revokedApiKeyId!: string;

  @Field(() => Int, { description: 'Number of API keys that the owner has left.' })
  remainingCount!: number;
}

@ObjectType({ simpleResolvers: true, description: 'A new API key with its secret.' })
export class CreatedApiKey {
  @Field(() => ApiKey, { description: 'The API key.' })
  apiKey!: ApiKeyRow;

  @Field({ description: 'Send it as the header x-api-key. It is stored hashed and cannot be shown again.' })
  secret!: string;
}
