import { Role } from '../../../auth/viewer.js';
import { email } from '../../../errors/input-validation.js';
import { ownValue } from '../../../errors/own-value.js';

/** Which claims of an ID token decide about an account. */
export interface ClaimSettings {
  /** Undefined: administrators assign roles. */
  roleClaim: string | undefined;
  roles: readonly { role: Role; value: string }[];
  /** Undefined: administrators link employees. */
  employeeClaim: string | undefined;
}

/** What the claims of an ID token say about a user. */
export interface MappedClaims {
  subject: string;
  /** Null unless the provider has verified it. */
  verifiedEmail: string | null;
  /** Null if claims do not decide the role. */
  role: Role | null;
  /** E-mail address of the employee record. */
  employeeEmail: string | null;
}

type Claims = Readonly<Record<string, unknown>>;

/** Reads the claims that the configuration names. */
export function mapClaims(
  claims: Claims & { sub: string },
  { roleClaim, roles, employeeClaim }: ClaimSettings,
): MappedClaims {
  const verifiedEmail = claims.email_verified === true ? emailIn(claims.email) : null;
  const values = roleClaim === undefined ? null : textsIn(claimAt(claims, roleClaim));
  return {
    subject: claims.sub,
    verifiedEmail,
    role: values && roleOf(values, roles),
    employeeEmail: employeeClaim === 'email' ? verifiedEmail : emailIn(employeeClaim && claimAt(claims, employeeClaim)),
  };
}

/** The highest role of the values. */
function roleOf(values: readonly string[], roles: ClaimSettings['roles']): Role {
  const found = roles.filter(({ value }) => values.includes(value)).map(({ role }) => role);
  return [Role.ADMIN, Role.MANAGER].find((role) => found.includes(role)) ?? Role.USER;
}

/** A claim by its name, or by a path of names such as `realm_access.roles`. */
function claimAt(claims: Claims, name: string): unknown {
  const direct = ownValue(claims, name);
  if (direct !== undefined) return direct;
  return name
    .split('.')
    .reduce<unknown>(
      (value, key) => (typeof value === 'object' && value !== null ? ownValue(value as Claims, key) : undefined),
      claims,
    );
}

const textsIn = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((text): text is string => typeof text === 'string').slice(0, 1000);

const emailIn = (value: unknown): string | null => email.safeParse(value).data ?? null;
