import { setTimeout as sleep } from 'node:timers/promises';
import { TypeID } from 'typeid-js';
import { demoAccounts } from '../../src/domains/user/demo-accounts.js';
import type { AnyData } from './gateway.js';

/** Kind of operation that a caller repeats. */
export type CallKind = 'read' | 'write' | 'predict';

/** One call and its outcome. Times are from `performance.now()`. */
export interface Call {
  kind: CallKind;
  /** The gateway that was called. */
  url: string;
  startMs: number;
  endMs: number;
  /** HTTP status; null if there was no response. */
  status: number | null;
  retryAfter: string | null;
  /** Whether the response contained data, with or without errors. */
  hasData: boolean;
  /** Error codes; `NO_RESPONSE` if the connection was lost, `HANG` if no response came within `hangMs`. */
  codes: readonly string[];
}

export interface CallersOptions {
  /** Gateways that share a database. A caller moves to the next one if it gets no response. */
  urls: readonly string[];
  /** Number of callers of each kind. */
  readers?: number;
  writers?: number;
  predictors?: number;
}

/** A requested change and its outcome according to the response. */
interface Write {
  email: string;
  outcome: 'applied' | 'not applied' | 'unknown';
}

/** A call without a response after this time counts as hanging. */
const hangMs = 20_000;
/** Steps that `echo` runs within milliseconds. */
const maxSteps = 5_000;
const pauseMs = { afterSuccess: 4, afterError: 25 };
const account = (name: string): string => `${name}@example.com`;

/**
 * Signed-in callers that each send one operation after the other and check that the response belongs to their request.
 * Reads select the account of the caller and an employee by id; each write hires an employee with a unique address;
 * predictions run `echo`, which returns its input, and `iris`.
 */
export class Callers {
  readonly calls: Call[] = [];
  /** Responses that do not belong to the request. */
  readonly mismatches: string[] = [];
  readonly writes: Write[] = [];
  /** Served predictions: time, gateway and database ids. */
  readonly predicted: { atMs: number; url: string; ids: string[] }[] = [];
  readonly #options: Required<CallersOptions>;
  readonly #tokens: Readonly<Record<string, string>>;
  readonly #employees: readonly { id: string; email: string }[];
  readonly #departmentId: string;
  readonly #firstSteps = Math.floor(Math.random() * maxSteps);
  readonly #run = Math.random().toString(36).slice(2, 8);
  /** Number of times that each caller has moved to the next gateway. */
  readonly #skips = new Map<string, number>();
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();
  #counter = 0;

  private constructor(
    options: CallersOptions,
    tokens: Record<string, string>,
    known: { employees: { id: string; email: string }[]; departmentId: string },
  ) {
    this.#options = { readers: 3, writers: 2, predictors: 3, ...options };
    this.#tokens = tokens;
    this.#employees = known.employees;
    this.#departmentId = known.departmentId;
  }

  /** Signs the callers in and starts them. */
  static async start(options: CallersOptions): Promise<Callers> {
    const [url = ''] = options.urls;
    const names = ['admin', 'manager', 'user'];
    const tokens = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await signIn(url, name)] as const)),
    );
    const { body } = await post(
      url,
      tokens.admin ?? '',
      '{ departments { id } employees(first: 100) { nodes { id email } } }',
      {},
    );
    const callers = new Callers(options, tokens, {
      employees: body.data.employees.nodes,
      departmentId: body.data.departments[0].id,
    });
    callers.#begin();
    return callers;
  }

  /** Stops every caller after its current call. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** Resolves once each kind of caller has had `times` calls without an error that started after now. */
  async served(times = 3, withinMs = 20_000): Promise<void> {
    const sinceMs = performance.now();
    const deadlineMs = sinceMs + withinMs;
    while (
      !this.#kinds.every(
        (kind) =>
          this.calls.filter((call) => call.kind === kind && call.startMs >= sinceMs && call.codes.length === 0)
            .length >= times,
      )
    ) {
      if (performance.now() > deadlineMs)
        throw new Error(`Not served again within ${withinMs} ms: ${this.summary('calls', sinceMs)}`);
      await sleep(20);
    }
  }

  /**
   * Milliseconds from `fromMs` until every kind of caller was served and the last failing call that started after it
   * ended. Call it some time after that moment.
   */
  recoveryMs(fromMs: number): number {
    const later = this.calls.filter(({ startMs }) => startMs >= fromMs);
    const firstServed = this.#kinds.map(
      (kind) => later.find((call) => call.kind === kind && call.codes.length === 0)?.endMs ?? Infinity,
    );
    const lastFailed = later.findLast(({ codes }) => codes.length > 0)?.endMs ?? fromMs;
    return Math.round(Math.max(...firstServed, lastFailed) - fromMs);
  }

  /** Number of errors by code among the calls that ended since `sinceMs`. */
  codes(sinceMs = 0): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const code of this.calls.filter(({ endMs }) => endMs >= sinceMs).flatMap((call) => call.codes))
      counts[code] = (counts[code] ?? 0) + 1;
    return counts;
  }

  /** The effect of an outage on the callers, in one line. */
  summary(outage: string, sinceMs = 0, recoveryMs?: number): string {
    const calls = this.calls.filter(({ endMs }) => endMs >= sinceMs);
    const failed = calls.filter(({ codes }) => codes.length > 0).length;
    const codes = Object.entries(this.codes(sinceMs)).map(([code, count]) => `${code} ${count}`);
    const longest = Math.round(Math.max(0, ...calls.map(({ startMs, endMs }) => endMs - startMs)));
    const recovery = recoveryMs === undefined ? '' : `, served again after ${recoveryMs} ms`;
    return `${outage}: ${calls.length} requests, ${failed} failed${codes.length > 0 ? ` (${codes.join(', ')})` : ''}, longest ${longest} ms${recovery}`;
  }

  /** Responses to other requests, unexpected error codes, and SERVICE_UNAVAILABLE without Retry-After or, for a read, status 503. */
  problems(expectedCodes: readonly string[] = []): string[] {
    const wrong = this.calls.flatMap(({ kind, status, codes, retryAfter, hasData }) => {
      const unexpected = codes.filter((code) => !expectedCodes.includes(code));
      const isUnavailable = codes.includes('SERVICE_UNAVAILABLE');
      // The result of a failed mutation is null, which is data.
      const expectedStatus = kind === 'write' ? 200 : 503;
      const isBare = isUnavailable && !hasData && (status !== expectedStatus || retryAfter === null);
      return [
        ...unexpected.map((code) => `${kind}: ${code} (HTTP ${status})`),
        ...(isBare ? [`${kind}: SERVICE_UNAVAILABLE with HTTP ${status}, Retry-After ${retryAfter}`] : []),
      ];
    });
    return [...new Set([...wrong, ...this.mismatches])];
  }

  /**
   * Changes whose response contradicts the database: reported as applied but absent, or reported as not applied but
   * present.
   * @param emails of all employees in the database
   */
  contradictedWrites(emails: ReadonlySet<string>): string[] {
    return this.writes.flatMap(({ email, outcome }) => {
      if (outcome === 'applied' && !emails.has(email)) return [`${email} was reported as hired but is absent`];
      return outcome === 'not applied' && emails.has(email)
        ? [`${email} was reported as not hired but is present`]
        : [];
    });
  }

  get #kinds(): CallKind[] {
    const { readers, writers, predictors } = this.#options;
    return [
      ...(readers > 0 ? (['read'] as const) : []),
      ...(writers > 0 ? (['write'] as const) : []),
      ...(predictors > 0 ? (['predict'] as const) : []),
    ];
  }

  #begin(): void {
    const { readers, writers, predictors } = this.#options;
    const each = (count: number, work: (place: number) => Promise<boolean>): Promise<void>[] =>
      Array.from({ length: count }, (_, place) => this.#repeat(() => work(place)));
    this.#running = Promise.all([
      ...each(readers, (place) => this.#read(place)),
      ...each(writers, (place) => this.#write(place)),
      ...each(predictors, (place) => this.#predict(place)),
    ]);
  }

  async #repeat(work: () => Promise<boolean>): Promise<void> {
    while (!this.#isStopping) await sleep((await work()) ? pauseMs.afterSuccess : pauseMs.afterError);
  }

  async #read(place: number): Promise<boolean> {
    const name = ['admin', 'manager', 'user'][place % 3] ?? 'user';
    const requested = this.#employees[(this.#counter += 1) % this.#employees.length];
    const query =
      'query ($id: ID!) { me { email } employee(id: $id) { id email department { name } } employees(first: 3) { totalCount nodes { id } } }';
    const data = await this.#call('read', place, name, query, { id: requested?.id });
    if (!data) return false;
    if (data.me?.email !== account(name)) this.mismatches.push(`${name} got the account ${data.me?.email}`);
    if (data.employee?.id !== requested?.id || data.employee?.email !== requested?.email)
      this.mismatches.push(`requested employee ${requested?.id}, got ${data.employee?.id}`);
    return true;
  }

  async #write(place: number): Promise<boolean> {
    const email = `hired-${this.#run}-${(this.#counter += 1)}@example.com`;
    const write: Write = { email, outcome: 'unknown' };
    this.writes.push(write);
    const input = {
      name: 'Somebody',
      email,
      age: 30,
      jobTitle: 'Tester',
      jobLevel: 1,
      hiredOn: '2024-01-01',
      salary: 1,
      departmentId: this.#departmentId,
    };
    const data = await this.#call(
      'write',
      place,
      'admin',
      'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id email } }',
      { input },
      (errors) => {
        if (errors.every(({ extensions }) => extensions.outcome !== 'UNKNOWN')) write.outcome = 'not applied';
      },
    );
    if (!data) return false;
    write.outcome = 'applied';
    if (data.createEmployee.email !== email) this.mismatches.push(`hired ${email}, got ${data.createEmployee.email}`);
    return true;
  }

  async #predict(place: number): Promise<boolean> {
    const name = ['user', 'manager'][place % 2] ?? 'user';
    // Mostly inputs that no caller has requested yet, so that models run instead of the cache.
    const steps = 1 + ((this.#firstSteps + 2 * (this.#counter += 1)) % maxSteps);
    const query =
      'query ($rows: [JSONObject!]!, $petal: JSONObject!) { echo: predict(model: "echo", inputs: $rows) { id output } iris: predict(model: "iris", inputs: [$petal]) { id input } }';
    const petal = { petal_length: 1 + (this.#counter % 5000) / 1000, petal_width: 0.5 + place / 10 };
    const data = await this.#call('predict', place, name, query, { rows: [{ steps }, { steps: steps + 1 }], petal });
    if (!data) return false;
    const reported = data.echo.map(({ output }: AnyData) => Number(output.done));
    if (reported[0] !== steps || reported[1] !== steps + 1)
      this.mismatches.push(`requested ${steps} of echo, got ${reported.join()}`);
    const [flower] = data.iris;
    if (Math.abs(flower.input.petal_width - petal.petal_width) > 1e-5)
      this.mismatches.push('got the prediction of another flower');
    const ids = [...data.echo, flower].map(({ id }: AnyData) => TypeID.fromString(id as string).toUUID());
    this.predicted.push({ atMs: performance.now(), url: this.#urlOf('predict', place), ids });
    return true;
  }

  /**
   * @returns the data of a response without errors, otherwise null. Without a response the caller moves to the next
   * gateway.
   */
  async #call(
    kind: CallKind,
    place: number,
    name: string,
    query: string,
    variables: object,
    onErrors: (errors: AnyData[]) => void = () => {},
  ): Promise<AnyData> {
    const url = this.#urlOf(kind, place);
    const startMs = performance.now();
    const note = (rest: Pick<Call, 'status' | 'retryAfter' | 'hasData' | 'codes'>): void =>
      void this.calls.push({ kind, url, startMs, endMs: performance.now(), ...rest });
    try {
      const { status, retryAfter, body } = await post(url, this.#tokens[name] ?? '', query, variables);
      const errors: AnyData[] = body.errors ?? [];
      note({
        status,
        retryAfter,
        hasData: Object.values(body.data ?? {}).some((value) => value !== null),
        codes: errors.map(({ extensions }) => extensions?.code ?? 'NO_CODE'),
      });
      if (errors.length === 0) return body.data;
      onErrors(errors);
      return null;
    } catch (error) {
      const isHang = error instanceof Error && error.name === 'TimeoutError';
      note({ status: null, retryAfter: null, hasData: false, codes: [isHang ? 'HANG' : 'NO_RESPONSE'] });
      const caller = `${kind} ${place}`;
      this.#skips.set(caller, (this.#skips.get(caller) ?? 0) + 1);
      return null;
    }
  }

  #urlOf(kind: CallKind, place: number): string {
    const { urls } = this.#options;
    return urls[(place + (this.#skips.get(`${kind} ${place}`) ?? 0)) % urls.length] ?? '';
  }
}

/** Signs a demo account in. @returns its access token */
export async function signIn(url: string, name: string): Promise<string> {
  const document = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
  const { body } = await post(url, null, document, {
    input: { email: account(name), password: demoAccounts.password },
  });
  return body.data.login.accessToken as string;
}

/** Sends one operation. @throws TypeError without a response, TimeoutError after `hangMs` */
export async function post(
  url: string,
  token: string | null,
  query: string,
  variables: object = {},
): Promise<{ status: number; retryAfter: string | null; body: AnyData }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(hangMs),
  });
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json() };
}
