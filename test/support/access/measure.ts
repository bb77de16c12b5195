import { maxErrors } from '../../../src/graphql/errors/limit-errors.js';
import type { AnyData, Caller, GraphQLResponse } from '../gateway.js';
import { openEvents } from '../streams.js';
import { callerNames, withNewSession, type CallerName, type Company } from './company.js';
import {
  anySelection,
  callOf,
  document,
  rootFields,
  routes,
  type Field,
  type RootField,
  type Route,
} from './schema.js';

/** Whether a caller may read a field of all objects, of some, or of none; of a root field, whether it may be called. */
export type Access = 'all' | 'some' | 'none';
export type Row = Record<CallerName, Access>;

/** Measures all callers at once. */
async function rowOf<Value>(measure: (name: CallerName) => Promise<Value>): Promise<Record<CallerName, Value>> {
  const cells = await Promise.all(callerNames.map(async (name) => [name, await measure(name)] as const));
  return Object.fromEntries(cells) as Record<CallerName, Value>;
}

/** Who passes the rule of each root field. The arguments are invalid, so that a permitted call changes nothing either. */
export async function measureRoots(company: Company): Promise<Map<string, Row>> {
  const rows = new Map<string, Row>();
  for (const root of rootFields)
    rows.set(
      root.name,
      await rowOf(async (name) => ((await mayCall(company, root, company.callers[name])) ? 'all' : 'none')),
    );
  return rows;
}

async function mayCall(company: Company, { operation, field }: RootField, caller: Caller): Promise<boolean> {
  const { declared, text, variables } = callOf(field);
  const query = document(operation, declared, `${text}${anySelection(field)}`);
  const own = operation === 'query' ? caller : await withNewSession(company, caller);
  if (operation !== 'subscription') return isPermitted(await company.gateway.execute(own, query, variables), caller);
  const headers = own !== null && typeof own === 'object' ? credentials(own) : {};
  const { rejection, received } = await openEvents(company.gateway.url, { headers, body: { query, variables } });
  received.stop();
  return isPermitted({ errors: rejection?.errors ?? [] }, caller);
}

const credentials = (caller: { token: string } | { apiKey: string }): Record<string, string> =>
  'token' in caller ? { authorization: `Bearer ${caller.token}` } : { 'x-api-key': caller.apiKey };

/** Signing in with the wrong password is UNAUTHENTICATED too, but permitted. */
const isPermitted = ({ errors }: Pick<GraphQLResponse<unknown>, 'errors'>, caller: Caller): boolean =>
  !errors.some(({ message, extensions: { code } }) =>
    caller === null ? message.startsWith('Sign in first') : code === 'FORBIDDEN',
  );

/** Compares what each caller reads of existing objects with what an ADMIN reads of the same objects. */
export async function measureFields(company: Company): Promise<{ rows: Map<string, Row>; unreached: string[] }> {
  const rows = new Map<string, Row>();
  const unreached: string[] = [];
  for (const route of routes.values()) {
    // Every list has it, for the callers of the list.
    if (route.type.name === 'PageInfo') continue;
    const seen = await rowOf((caller) => readAll(company, caller, route));
    for (const [index, { name }] of Object.values(route.type.getFields()).entries()) {
      const truth = seen.ADMIN[index] ?? [];
      if (truth.every(({ isReached }) => !isReached)) unreached.push(`${route.type.name}.${name}`);
      else {
        const cells = callerNames.map((caller) => [caller, accessOf(seen[caller][index] ?? [], truth)]);
        rows.set(`${route.type.name}.${name}`, Object.fromEntries(cells) as Row);
      }
    }
  }
  return { rows, unreached };
}

/** Reads every field of a type, each for itself if one that cannot be null is denied and so hides the others, or if many are denied. */
async function readAll(company: Company, caller: CallerName, route: Route): Promise<Occurrence[][]> {
  const fields = Object.values(route.type.getFields());
  const { seen, isIncomplete } = await read(company, caller, route, fields);
  if (!isIncomplete) return seen;
  const single = await Promise.all(
    fields.map(async (field) => (await read(company, caller, route, [field])).seen[0] ?? []),
  );
  return single;
}

/** A field of one object: not reached if the object is hidden. */
interface Occurrence {
  isReached: boolean;
  value: unknown;
  isDenied: boolean;
}

function accessOf(seen: readonly Occurrence[], truth: readonly Occurrence[]): Access {
  const readable = seen.filter(({ isReached, isDenied }) => isReached && !isDenied);
  const known = truth.filter(({ value }) => value !== null).length;
  const values = readable.filter(({ value }) => value !== null).length;
  // Where an ADMIN reads null as well, null is no denial.
  if (readable.length === 0 || (values === 0 && known > 0)) return 'none';
  return values >= known && readable.length >= truth.length ? 'all' : 'some';
}

async function read(
  company: Company,
  caller: CallerName,
  route: Route,
  fields: readonly Field[],
): Promise<{ seen: Occurrence[][]; isIncomplete: boolean }> {
  const calls = fields.map((field, at) => callOf(field, {}, `v${at}`));
  const selection = fields.map((field, at) => `v${at}: ${calls[at]?.text ?? ''}${anySelection(field)}`).join(' ');
  const nested = route.path.reduceRight((inner, step) => `${step} { ${inner} }`, selection);
  const start = startOf(company, route);
  const declared = [start, ...calls].flatMap((call) => call.declared);
  const query = document('query', declared, `start: ${start.text} { __typename ${start.spread(nested)} }`);
  const variables = Object.assign({}, ...[start, ...calls].map((call) => call.variables)) as Record<string, unknown>;
  const { data, errors } = await company.gateway.execute<AnyData>(company.callers[caller], query, variables);
  const [problem] = errors;
  if (data === undefined && problem && !denials.has(problem.extensions.code))
    throw new Error(`${query}: ${problem.message}`);
  const denied = new Set(
    errors.filter(({ extensions: { code } }) => denials.has(code)).map(({ path = [] }) => path.join('.')),
  );
  const objects = objectsAt(data?.start ?? null, route.path, 'start');
  return {
    seen: fields.map((_field, at) =>
      objects.map(({ object, path }) => ({
        isReached: object !== null,
        value: object?.[`v${at}`] ?? null,
        isDenied: object === null || denied.has(`${path}.v${at}`),
      })),
    ),
    // Past the limit of errors, a denied field is null like one without a value.
    isIncomplete:
      fields.length > 1 &&
      (errors.length >= maxErrors || (errors.length > 0 && objects.some(({ object }) => object === null))),
  };
}

const denials: ReadonlySet<string> = new Set(['FORBIDDEN', 'UNAUTHENTICATED']);

/** The objects at the end of a path, with the paths of their errors; null for one that is hidden. */
function objectsAt(
  value: AnyData,
  steps: readonly string[],
  path: string,
): { object: Record<string, unknown> | null; path: string }[] {
  if (Array.isArray(value)) return value.flatMap((one, at) => objectsAt(one, steps, `${path}.${at}`));
  const [step, ...rest] = steps;
  if (value === null || step === undefined) return [{ object: value, path }];
  return objectsAt(value[step] ?? null, rest, `${path}.${step}`);
}

interface Start {
  declared: string[];
  text: string;
  variables: Record<string, unknown>;
  spread: (inner: string) => string;
}

export function startOf({ ids, rows }: Company, { root, start }: Route): Start {
  if (root === null)
    return {
      declared: ['$ids: [ID!]!'],
      text: 'nodes(ids: $ids)',
      variables: { ids: ids.get(start.name) ?? [] },
      spread: (inner) => `... on ${start.name} { ${inner} }`,
    };
  const row = rows.get(root.name);
  return { ...callOf(root, row === undefined ? {} : { inputs: [row] }), spread: (inner) => inner };
}
