import { setTimeout as sleep } from 'node:timers/promises';
import { TypeID } from 'typeid-js';
import { demoAccounts } from '../../src/domains/demo-data.js';
import type { Any } from './gateway.js';

/** What callers do. */
export type CallKind = 'read' | 'write' | 'predict';

/** One call, and what came of it. Times are of `performance.now()`. */
export interface Call {
  kind: CallKind;
  /** Where it went. */
  url: string;
  startMs: number;
  endMs: number;
  /** The HTTP status; null where nobody answered. */
  status: number | null;
  retryAfter: string | null;
  /** Whether there was any data beside the errors. */
  hasData: boolean;
  /** The codes of its errors; `NO_ANSWER` where the connection was lost, `HANG` where it took longer than any call may. */
  codes: readonly string[];
}

export interface CallersOptions {
  /** Gateways that share a database. A caller goes on at the next where nobody answers. */
  urls: readonly string[];
  /** Callers of each kind. */
  readers?: number;
  writers?: number;
  predictors?: number;
}

/** A change that was asked for, and whether it was said to be made. */
interface Write {
  email: string;
  answer: 'made' | 'not made' | 'unknown';
}

/** No call may take so long. */
const hangMs = 20_000;
/** Some milliseconds of work for `echo`. */
const maxSteps = 5_000;
const pauseMs = { afterAnswer: 4, afterError: 25 };
const account = (name: string): string => `${name}@example.com`;

/**
 * Callers who ask one after the other, each as somebody, and see to it that what they get is theirs. Reads tell the caller's own
 * account and an employee that was asked for by id; writes each hire somebody under an address of its own; predictions are asked
 * of `echo`, which answers with what it was asked, and of `iris`.
 */
export class Callers {
  readonly calls: Call[] = [];
  /** Answers that belong to somebody else. */
  readonly mixedUp: string[] = [];
  readonly writes: Write[] = [];
  /** Predictions that were answered: when, where, and as the database has them. */
  readonly predicted: { atMs: number; url: string; ids: string[] }[] = [];
  readonly #options: Required<CallersOptions>;
  readonly #tokens: Readonly<Record<string, string>>;
  readonly #employees: readonly { id: string; email: string }[];
  readonly #departmentId: string;
  readonly #firstSteps = Math.floor(Math.random() * maxSteps);
  readonly #run = Math.random().toString(36).slice(2, 8);
  /** How often each caller has gone on to the next gateway. */
  readonly #skips = new Map<string, number>();
  #isStopping = false;
  #atWork: Promise<unknown> = Promise.resolve();
  #numbers = 0;

  private constructor(options: CallersOptions, tokens: Record<string, string>, known: { employees: { id: string; email: string }[]; departmentId: string }) {
    this.#options = { readers: 3, writers: 2, predictors: 3, ...options };
    this.#tokens = tokens;
    this.#employees = known.employees;
    this.#departmentId = known.departmentId;
  }

  /** Signs the callers in, and has them begin. */
  static async start(options: CallersOptions): Promise<Callers> {
    const [url = ''] = options.urls;
    const names = ['admin', 'manager', 'user'];
    const tokens = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await signIn(url, name)] as const)));
    const { body } = await post(url, tokens.admin ?? '', '{ departments { id } employees(first: 100) { nodes { id email } } }', {});
    const callers = new Callers(options, tokens, { employees: body.data.employees.nodes, departmentId: body.data.departments[0].id });
    callers.#begin();
    return callers;
  }

  /** Lets every caller finish. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#atWork;
  }

  /** Resolves once each kind of caller has been answered without an error by a call that began after now, so many times. */
  async served(times = 3, withinMs = 20_000): Promise<void> {
    const sinceMs = performance.now();
    const deadlineMs = sinceMs + withinMs;
    while (!this.#kinds.every((kind) => this.calls.filter((call) => call.kind === kind && call.startMs >= sinceMs && call.codes.length === 0).length >= times)) {
      if (performance.now() > deadlineMs) throw new Error(`Not served again within ${withinMs} ms: ${this.told('calls', sinceMs)}`);
      await sleep(20);
    }
  }

  /**
   * Milliseconds from a moment until every kind of caller was served and no call that began later failed any more. To be asked
   * a while after that moment.
   */
  recoveryMs(fromMs: number): number {
    const later = this.calls.filter(({ startMs }) => startMs >= fromMs);
    const firstServed = this.#kinds.map((kind) => later.find((call) => call.kind === kind && call.codes.length === 0)?.endMs ?? Infinity);
    const lastFailed = later.findLast(({ codes }) => codes.length > 0)?.endMs ?? fromMs;
    return Math.round(Math.max(...firstServed, lastFailed) - fromMs);
  }

  /** How often each code came among the calls that ended since a moment. */
  codes(sinceMs = 0): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const code of this.calls.filter(({ endMs }) => endMs >= sinceMs).flatMap((call) => call.codes)) counts[code] = (counts[code] ?? 0) + 1;
    return counts;
  }

  /** What a fault did to the callers, in one line. */
  told(fault: string, sinceMs = 0, recoveryMs?: number): string {
    const calls = this.calls.filter(({ endMs }) => endMs >= sinceMs);
    const failed = calls.filter(({ codes }) => codes.length > 0).length;
    const codes = Object.entries(this.codes(sinceMs)).map(([code, count]) => `${code} ${count}`);
    const longest = Math.round(Math.max(0, ...calls.map(({ startMs, endMs }) => endMs - startMs)));
    const recovery = recoveryMs === undefined ? '' : `, served again after ${recoveryMs} ms`;
    return `${fault}: ${calls.length} requests, ${failed} failed${codes.length > 0 ? ` (${codes.join(', ')})` : ''}, longest ${longest} ms${recovery}`;
  }

  /** What must never be: answers of others, and errors other than these, without the status and the header that go with them. */
  problems(expectedCodes: readonly string[] = []): string[] {
    const wrong = this.calls.flatMap(({ kind, status, codes, retryAfter, hasData }) => {
      const unexpected = codes.filter((code) => !expectedCodes.includes(code));
      const isUnavailable = codes.includes('SERVICE_UNAVAILABLE');
      const isBare = isUnavailable && !hasData && (status !== 503 || retryAfter === null);
      return [...unexpected.map((code) => `${kind}: ${code} (HTTP ${status})`), ...(isBare ? [`${kind}: SERVICE_UNAVAILABLE with HTTP ${status}, Retry-After ${retryAfter}`] : [])];
    });
    return [...new Set([...wrong, ...this.mixedUp])];
  }

  /**
   * Changes whose answer does not agree with the database: said to be made and not there, or said not to be made and there.
   * @param emails of all employees that there are
   */
  brokenPromises(emails: ReadonlySet<string>): string[] {
    return this.writes.flatMap(({ email, answer }) => {
      if (answer === 'made' && !emails.has(email)) return [`${email} was said to be hired, and is not there`];
      return answer === 'not made' && emails.has(email) ? [`${email} was said not to be hired, and is there`] : [];
    });
  }

  get #kinds(): CallKind[] {
    const { readers, writers, predictors } = this.#options;
    return [...(readers > 0 ? (['read'] as const) : []), ...(writers > 0 ? (['write'] as const) : []), ...(predictors > 0 ? (['predict'] as const) : [])];
  }

  #begin(): void {
    const { readers, writers, predictors } = this.#options;
    const each = (count: number, work: (place: number) => Promise<boolean>): Promise<void>[] => Array.from({ length: count }, (_, place) => this.#repeat(() => work(place)));
    this.#atWork = Promise.all([
      ...each(readers, (place) => this.#read(place)),
      ...each(writers, (place) => this.#write(place)),
      ...each(predictors, (place) => this.#predict(place)),
    ]);
  }

  async #repeat(work: () => Promise<boolean>): Promise<void> {
    while (!this.#isStopping) await sleep((await work()) ? pauseMs.afterAnswer : pauseMs.afterError);
  }

  async #read(place: number): Promise<boolean> {
    const name = ['admin', 'manager', 'user'][place % 3] ?? 'user';
    const asked = this.#employees[(this.#numbers += 1) % this.#employees.length];
    const query = 'query ($id: ID!) { me { email } employee(id: $id) { id email department { name } } employees(first: 3) { totalCount nodes { id } } }';
    const data = await this.#call('read', place, name, query, { id: asked?.id });
    if (!data) return false;
    if (data.me?.email !== account(name)) this.mixedUp.push(`${name} is told to be ${data.me?.email}`);
    if (data.employee?.id !== asked?.id || data.employee?.email !== asked?.email) this.mixedUp.push(`asked for employee ${asked?.id}, got ${data.employee?.id}`);
    return true;
  }

  async #write(place: number): Promise<boolean> {
    const email = `hired-${this.#run}-${(this.#numbers += 1)}@example.com`;
    const write: Write = { email, answer: 'unknown' };
    this.writes.push(write);
    const input = { name: 'Somebody', email, age: 30, jobTitle: 'Tester', jobLevel: 1, hiredOn: '2024-01-01', salary: 1, departmentId: this.#departmentId };
    const data = await this.#call('write', place, 'admin', 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id email } }', { input }, (errors) => {
      if (errors.every(({ extensions }) => extensions.outcome !== 'UNKNOWN')) write.answer = 'not made';
    });
    if (!data) return false;
    write.answer = 'made';
    if (data.createEmployee.email !== email) this.mixedUp.push(`hired ${email}, got ${data.createEmployee.email}`);
    return true;
  }

  async #predict(place: number): Promise<boolean> {
    const name = ['user', 'manager'][place % 2] ?? 'user';
    // Mostly numbers that nobody has asked yet, so that models run.
    const steps = 1 + ((this.#firstSteps + 2 * (this.#numbers += 1)) % maxSteps);
    const query = 'query ($rows: [JSONObject!]!, $petal: JSONObject!) { echo: predict(model: "echo", inputs: $rows) { id output } iris: predict(model: "iris", inputs: [$petal]) { id input } }';
    const petal = { petal_length: 1 + (this.#numbers % 5000) / 1000, petal_width: 0.5 + place / 10 };
    const data = await this.#call('predict', place, name, query, { rows: [{ steps }, { steps: steps + 1 }], petal });
    if (!data) return false;
    const told = data.echo.map(({ output }: Any) => Number(output.done));
    if (told[0] !== steps || told[1] !== steps + 1) this.mixedUp.push(`asked echo for ${steps}, got ${told.join()}`);
    const [flower] = data.iris;
    if (Math.abs(flower.input.petal_width - petal.petal_width) > 1e-5) this.mixedUp.push('the answer to another flower');
    const ids = [...data.echo, flower].map(({ id }: Any) => TypeID.fromString(id as string).toUUID());
    this.predicted.push({ atMs: performance.now(), url: this.#urlOf('predict', place), ids });
    return true;
  }

  /** The data of an answer without errors; null of any other, whose errors are told. Nobody answers: goes on at the next gateway. */
  async #call(kind: CallKind, place: number, name: string, query: string, variables: object, onErrors: (errors: Any[]) => void = () => {}): Promise<Any> {
    const url = this.#urlOf(kind, place);
    const startMs = performance.now();
    const note = (rest: Pick<Call, 'status' | 'retryAfter' | 'hasData' | 'codes'>): void => void this.calls.push({ kind, url, startMs, endMs: performance.now(), ...rest });
    try {
      const { status, retryAfter, body } = await post(url, this.#tokens[name] ?? '', query, variables);
      const errors: Any[] = body.errors ?? [];
      note({ status, retryAfter, hasData: Object.values(body.data ?? {}).some((value) => value !== null), codes: errors.map(({ extensions }) => extensions?.code ?? 'NO_CODE') });
      if (errors.length === 0) return body.data;
      onErrors(errors);
      return null;
    } catch (error) {
      const isHang = error instanceof Error && error.name === 'TimeoutError';
      note({ status: null, retryAfter: null, hasData: false, codes: [isHang ? 'HANG' : 'NO_ANSWER'] });
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

/** A demo account's access token. */
export async function signIn(url: string, name: string): Promise<string> {
  const document = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
  const { body } = await post(url, null, document, { input: { email: account(name), password: demoAccounts.password } });
  return body.data.login.accessToken as string;
}

/** Sends one operation. @throws TypeError where nobody answers, TimeoutError where that takes too long */
export async function post(url: string, token: string | null, query: string, variables: object = {}): Promise<{ status: number; retryAfter: string | null; body: Any }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(hangMs),
  });
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json() };
}
