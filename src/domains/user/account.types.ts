import { Field, Int, ObjectType } from 'type-graphql';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { User } from './user.entity.js';
import type { UserRow } from './user.types.js';

@ObjectType({ simpleResolvers: true, description: 'A link by which a user chooses a password, once.' })
export class AccountLinkPayload {
  @Field(() => User, { description: 'The user of the account.' })
  user!: UserRow;

  @Field(() => String, {
    nullable: true,
    description: 'The link, to be passed on to the user alone; null if it was mailed to the user.',
  })
  link!: string | null;

  @Field(() => GraphQLDateTime, { description: 'Expiry of the link.' })
  expiresAt!: Date;
}

@ObjectType({
  simpleResolvers: true,
  description: 'A request for a link by mail. It is equal for every address, whether or not a message is sent.',
})
export class MailRequestPayload {
  @Field(() => Int, { description: 'Lifetime in seconds of the link, if one is sent.' })
  linkTtlSeconds!: number;
}

@ObjectType({ simpleResolvers: true, description: 'A password that was set by a link.' })
export class SetPasswordPayload {
  @Field({ description: 'E-mail address of the account, to sign in with.' })
  email!: string;
}
