import { TypeID } from 'typeid-js';
import type { AuthenticatedViewer, Viewer } from '../auth/viewer.js';
import { clientLabel, type Client } from '../persisted-documents/sent-operation.js';

/** What the audit log records. Append only: stored events keep their names. */
export enum AuditAction {
  SIGN_IN = 'SIGN_IN',
  SIGN_OUT = 'SIGN_OUT',
  REGISTRATION = 'REGISTRATION',
  PROVIDER_SIGN_IN = 'PROVIDER_SIGN_IN',
  PROVIDER_REGISTRATION = 'PROVIDER_REGISTRATION',
  IDENTITY_LINK = 'IDENTITY_LINK',
  PASSWORD_CHANGE = 'PASSWORD_CHANGE',
  REAUTHENTICATION = 'REAUTHENTICATION',
  TOKEN_REUSE = 'TOKEN_REUSE',
  SESSION_END = 'SESSION_END',
  API_KEY_CREATE = 'API_KEY_CREATE',
  API_KEY_REVOKE = 'API_KEY_REVOKE',
  USER_ROLE_CHANGE = 'USER_ROLE_CHANGE',
  USER_ACTIVATION_CHANGE = 'USER_ACTIVATION_CHANGE',
  USER_EMPLOYEE_CHANGE = 'USER_EMPLOYEE_CHANGE',
  SALARY_CHANGE = 'SALARY_CHANGE',
  MODEL_PROMOTE = 'MODEL_PROMOTE',
  MODEL_ROLLBACK = 'MODEL_ROLLBACK',
  MODEL_DEPLOYMENT_CLEAR = 'MODEL_DEPLOYMENT_CLEAR',
  MODEL_CANARY_STEP = 'MODEL_CANARY_STEP',
  MODEL_CANARY_STOP = 'MODEL_CANARY_STOP',
  MODEL_CANARY_RESTART = 'MODEL_CANARY_RESTART',
  DOCUMENTS_PUBLISH = 'DOCUMENTS_PUBLISH',
  DOCUMENTS_RETIRE = 'DOCUMENTS_RETIRE',
  ACCESS = 'ACCESS',
  INVITATION = 'INVITATION',
  PASSWORD_RESET_REQUEST = 'PASSWORD_RESET_REQUEST',
  PASSWORD_RESET = 'PASSWORD_RESET',
  MFA_SETUP = 'MFA_SETUP',
  MFA_REMOVAL = 'MFA_REMOVAL',
  MFA_RESET = 'MFA_RESET',
  RECOVERY_CODES = 'RECOVERY_CODES',
  RETENTION = 'RETENTION',
  ROW_CREATE = 'ROW_CREATE',
  ROW_UPDATE = 'ROW_UPDATE',
  ROW_DELETE = 'ROW_DELETE',
}

/** How an action ended. */
export enum AuditOutcome {
  SUCCESS = 'SUCCESS',
  FAILURE = 'FAILURE',
  REJECTED = 'REJECTED',
}

/** Who acts, from where and with which program. A `Context` is one. */
export interface AuditCaller {
  readonly viewer: Viewer;
  readonly address: string;
  readonly client: Client;
  readonly requestId: string;
}

/** Values before or after a change. Never a password, a token or the secret of a key. */
export type AuditValues = Readonly<Record<string, string | number | boolean | null | readonly (string | number)[]>>;

/** One action of a caller. */
export interface AuditEvent {
  action: AuditAction;
  /** The global ID of what is changed, or the field that was called: `Mutation.setUserRole`. */
  target?: string | null;
  /** SUCCESS if absent. */
  outcome?: AuditOutcome;
  /** The error code that the caller received. */
  code?: string | null;
  /** The user, if it is not the viewer: a caller who signs in is anonymous. */
  actorId?: string | null;
  /** The session or API key, if it is not that of the viewer. */
  credential?: AuditCredential | null;
  /** The e-mail address that a caller claims. */
  account?: string | null;
  before?: AuditValues | null;
  after?: AuditValues | null;
  /** Events of which this one is the summary. */
  count?: number;
}

/** What proved the identity of a caller: its kind and ID, never the secret. */
export interface AuditCredential {
  kind: AuthenticatedViewer['kind'];
  id: string;
}

/** A stored event, with the columns of `audit_event`. */
export interface AuditRecord {
  id: string;
  at: string;
  action: AuditAction;
  outcome: AuditOutcome;
  code: string | null;
  count: number;
  actor_id: string | null;
  account: string | null;
  credential_kind: AuditCredential['kind'] | null;
  credential_id: string | null;
  address: string | null;
  client: string | null;
  target: string | null;
  before: AuditValues | null;
  after: AuditValues | null;
  request_id: string | null;
}

/** Longest text of a caller. */
const maxTextLength = 300;
/** Longest list of a value. */
const maxItems = 50;

/** The stored form of an event. Texts are shortened, and control characters replaced. */
export function recordOf(id: string, caller: AuditCaller, event: AuditEvent): AuditRecord {
  const { viewer, client } = caller;
  const signedIn = viewer.kind === 'anonymous' ? null : viewer;
  const credential = event.credential ?? (signedIn && { kind: signedIn.kind, id: signedIn.credentialId });
  return {
    id,
    at: new Date().toISOString(),
    action: event.action,
    outcome: event.outcome ?? AuditOutcome.SUCCESS,
    code: bounded(event.code, 60),
    count: event.count ?? 1,
    actor_id: event.actorId ?? signedIn?.userId ?? null,
    account: bounded(event.account, 254),
    credential_kind: credential?.kind ?? null,
    credential_id: credential?.id ?? null,
    address: bounded(caller.address, 45),
    client: bounded(clientLabel(client)),
    target: bounded(event.target),
    before: boundedValues(event.before),
    after: boundedValues(event.after),
    request_id: bounded(caller.requestId, 100),
  };
}

/** A text without control characters and lone surrogates, shortened; null if there is none. */
function bounded(text: string | null | undefined, length = maxTextLength): string | null {
  if (text == null || text === '') return null;
  return text
    .slice(0, length)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, ' ');
}

function boundedValues(values: AuditValues | null | undefined): AuditValues | null {
  if (values == null) return null;
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null
        ? value.slice(0, maxItems).map((item) => (typeof item === 'string' ? (bounded(item) ?? '') : item))
        : typeof value === 'string'
          ? (bounded(value) ?? '')
          : value,
    ]),
  );
}

/** Actions whose values are not logged: logs have more readers than salaries. */
const unloggedValues: ReadonlySet<AuditAction> = new Set([AuditAction.SALARY_CHANGE]);

const prefixes = { session: 'session', apiKey: 'apikey', external: 'identity' } as const;

/** The fields of an event's log line. */
export const lineOf = (record: AuditRecord): Record<string, unknown> => ({
  eventId: record.id,
  action: record.action,
  outcome: record.outcome,
  ...(record.code === null ? {} : { code: record.code }),
  ...(record.count === 1 ? {} : { count: record.count }),
  actor: record.actor_id && TypeID.fromUUID('user', record.actor_id).toString(),
  ...(record.account === null ? {} : { account: record.account }),
  credential:
    record.credential_id &&
    TypeID.fromUUID(prefixes[record.credential_kind ?? 'session'], record.credential_id).toString(),
  address: record.address,
  client: record.client,
  target: record.target,
  ...(unloggedValues.has(record.action) ? {} : { before: record.before, after: record.after }),
  requestId: record.request_id,
});
