import { Field, Int, ObjectType } from 'type-graphql';
import { GraphQLDateTime } from '../../../graphql/schema/scalars.js';
import { Session } from '../user.types.js';

@ObjectType('UserMfa', {
  simpleResolvers: true,
  description: 'Multi-factor authentication of a user. For the user and ADMIN only.',
})
export class MfaState {
  @Field(() => GraphQLDateTime, { description: 'When the authenticator app was set up.' })
  enabledAt!: Date;

  @Field(() => Int, { description: 'Number of recovery codes that remain.' })
  recoveryCodesRemaining!: number;
}

@ObjectType({ simpleResolvers: true, description: 'The secret of an authenticator app, shown only once.' })
export class MfaSetup {
  @Field({ description: 'The secret in base32, to enter by hand.' })
  secret!: string;

  @Field({ description: 'The otpauth URI, to show as a QR code. It contains the secret.' })
  uri!: string;

  @Field(() => GraphQLDateTime, { description: 'Until when confirmMfaSetup accepts a code of this secret.' })
  expiresAt!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'MFA that was set up.' })
export class ConfirmMfaSetupPayload {
  @Field(() => [String], {
    description: 'The recovery codes, shown only once. Each is valid for one use in place of a code of the app.',
  })
  recoveryCodes!: string[];

  @Field(() => Session, {
    nullable: true,
    description: 'The session, if the setup was part of a sign-in; null in an open session, which continues.',
  })
  session!: Session | null;
}

@ObjectType({ simpleResolvers: true, description: 'New recovery codes.' })
export class RecoveryCodesPayload {
  @Field(() => [String], { description: 'The recovery codes, shown only once. Earlier ones are invalid.' })
  recoveryCodes!: string[];
}
