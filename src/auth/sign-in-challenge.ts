import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { SigningKeys, TokenKind } from './signing-keys.js';

/** What has to follow a proof of the password: a code, or the setup of MFA. */
export type ChallengeKind = 'code' | 'setup';

/** Time to enter a code, and to install an authenticator app. */
const kinds: Record<ChallengeKind, TokenKind> = {
  code: { type: 'sign-in+jwt', audience: 'auspex:sign-in:code', maxLifetimeSeconds: 5 * 60 },
  setup: { type: 'sign-in+jwt', audience: 'auspex:sign-in:setup', maxLifetimeSeconds: 15 * 60 },
};

const claimsSchema = z.object({ sub: z.uuid(), pwd: z.base64url() });

/** The account that has proved its password. */
interface ProvedAccount {
  id: string;
  passwordHash: string | null;
}

/** A challenge, which stands for a proof of the password until it expires. */
export interface SignInChallenge {
  challenge: string;
  expiresAt: Date;
}

/**
 * Signs and verifies the proof of the password between the two steps of a sign-in: a JWT of a type, an audience and a lifetime of
 * its own, so that it is no access token. It is valid only while the password is unchanged.
 */
export class SignInChallenges {
  constructor(readonly keys: SigningKeys) {}

  sign(kind: ChallengeKind, { id, passwordHash }: ProvedAccount): SignInChallenge {
    const issuedAt = Math.floor(Date.now() / 1000);
    const lifetimeSeconds = kinds[kind].maxLifetimeSeconds;
    const claims = { sub: id, pwd: fingerprintOf(passwordHash).toString('base64url') };
    const challenge = this.keys.sign(claims, kinds[kind], issuedAt, lifetimeSeconds);
    return { challenge, expiresAt: new Date((issuedAt + lifetimeSeconds) * 1000) };
  }

  /** @returns the account's ID, and whether the account still has the password that was proved; null if the text is not valid */
  verify(kind: ChallengeKind, challenge: string): { userId: string; isOf: (account: ProvedAccount) => boolean } | null {
    try {
      const { sub: userId, pwd } = claimsSchema.parse(this.keys.verify(challenge, kinds[kind]));
      const fingerprint = Buffer.from(pwd, 'base64url');
      return {
        userId,
        isOf: ({ id, passwordHash }) => {
          const current = fingerprintOf(passwordHash);
          return id === userId && current.length === fingerprint.length && timingSafeEqual(current, fingerprint);
        },
      };
    } catch {
      return null;
    }
  }
}

/** Changes with the password. The hash has a random salt, so that this reveals nothing about the password. */
const fingerprintOf = (passwordHash: string | null): Buffer =>
  createHash('sha256')
    .update(passwordHash ?? '')
    .digest();
