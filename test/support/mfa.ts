import { Secret, TOTP } from 'otpauth';
import type { AnyData, Caller, GraphQLResponse, TestGateway } from './gateway.js';
import type { Person } from './people.js';

export const BEGIN = 'mutation ($challenge: String) { beginMfaSetup(challenge: $challenge) { secret uri expiresAt } }';
export const CONFIRM =
  'mutation ($code: String!, $challenge: String) { confirmMfaSetup(code: $code, challenge: $challenge) { recoveryCodes session { accessToken refreshToken user { email } } } }';
export const VERIFY =
  'mutation ($challenge: String!, $code: String!) { verifyMfa(challenge: $challenge, code: $code) { accessToken refreshToken user { email } } }';

/** The code of an authenticator app, `steps` of 30 seconds from now. */
export const codeOf = (secret: string, steps = 0): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });

/** A code that no accepted step has. */
export function wrongCodeOf(secret: string): string {
  const valid = [-2, -1, 0, 1, 2].map((step) => codeOf(secret, step));
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !valid.includes(code)) ?? '666666';
}

/** Sets up MFA in the session of a person. */
export async function setUpMfa(
  gateway: TestGateway,
  { uuid, token }: Pick<Person, 'uuid' | 'token'>,
): Promise<{ secret: string; recoveryCodes: string[] }> {
  const begun = await expectData(gateway, { token }, BEGIN);
  const { secret } = begun.beginMfaSetup;
  const confirmed = await expectData(gateway, { token }, CONFIRM, { code: codeOf(secret) });
  await clearLastStep(gateway, uuid);
  return { secret, recoveryCodes: confirmed.confirmMfaSetup.recoveryCodes };
}

/** Stands for the passing of 30 seconds: the current code is valid again. */
export async function clearLastStep({ db }: TestGateway, userId: string): Promise<void> {
  await db.updateTable('totp_factor').set({ last_step: null }).where('user_id', '=', userId).execute();
}

/** @returns the challenge of a sign-in whose password was right. @throws Error for any other response */
export function challengeOf(response: GraphQLResponse<AnyData>): string {
  const challenge = response.errors[0]?.extensions.challenge;
  if (typeof challenge !== 'string') throw new Error(`There is no challenge: ${JSON.stringify(response.errors)}`);
  return challenge;
}

async function expectData(
  gateway: TestGateway,
  caller: Caller,
  document: string,
  variables: Record<string, unknown> = {},
): Promise<AnyData> {
  const { data, errors } = await gateway.execute<AnyData>(caller, document, variables);
  if (errors.length > 0) throw new Error(errors[0]?.message);
  return data;
}
