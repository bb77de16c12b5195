import { setTimeout as sleep } from 'node:timers/promises';
import { createClient as createEventsClient, type Client as EventsClient } from 'graphql-sse';
import { createClient as createSocketClient, type Client as SocketClient, type Sink } from 'graphql-ws';
import { TypeID } from 'typeid-js';
import WebSocket from 'ws';
import { demoAccounts } from '../../src/domains/demo-data.js';
import type { Any } from './gateway.js';
import { socketUrl } from './streams.js';

/** What one who comes through a balancer, and knows nothing of replicas, has asked for and been answered. */
export interface Traffic {
  /** Answers without an error, by what was asked. */
  answered: Record<Asked, number>;
  /** What went wrong, in words; nothing must. */
  failures: string[];
  /** Addresses of those whom an answer has called hired. */
  hired: string[];
  /** Predictions that were answered, by their ids in the database. */
  predicted: string[];
  /** Subscribers who come back by themselves. */
  socket: Stream & { closes: number[] };
  eventStream: Stream;
  /** Lets everyone finish. */
  stop: () => Promise<void>;
}

interface Stream {
  connections: number;
  events: number;
  failure: unknown;
}

type Asked = 'read' | 'read by GET' | 'prediction' | 'change';

/** What is found in an answer that is right. */
type Check = (data: Any) => boolean;

const pauseMs = 5;

/** Has `workers` of each kind ask without end, each one thing after the other. @param url of GraphQL */
export async function startTraffic(url: string, workers = 2): Promise<Traffic> {
  const token = await signIn(url);
  const departments: Any = await (await send(url, token, '{ departments { id } }')).json();
  const departmentId = departments.data.departments[0].id as string;
  const traffic: Omit<Traffic, 'stop'> = {
    answered: { read: 0, 'read by GET': 0, prediction: 0, change: 0 },
    failures: [],
    hired: [],
    predicted: [],
    socket: { connections: 0, closes: [], events: 0, failure: null },
    eventStream: { connections: 0, events: 0, failure: null },
  };
  let isStopping = false;
  let number = 0;

  const ask = async (asked: Asked, sent: () => Promise<Response>, isRight: Check): Promise<void> => {
    try {
      const response = await sent();
      const text = await response.text();
      const body: Any = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : null;
      if (response.status !== 200 || !body?.data || body.errors || !isRight(body.data)) traffic.failures.push(`${asked}: ${response.status} ${text.slice(0, 300)}`);
      else traffic.answered[asked] += 1;
    } catch (error) {
      traffic.failures.push(`${asked}: ${String(error)}, ${String((error as Error).cause)}`);
    }
  };
  const kinds: Record<Asked, () => Promise<void>> = {
    read: () => ask('read', () => send(url, token, '{ me { email } employees(first: 5) { totalCount nodes { name department { name } } } }'), ({ me, employees }) => me.email === 'admin@example.com' && employees.nodes.length === 5),
    'read by GET': () => ask('read by GET', () => sendByGet(url, token, '{ departments { name headcount } }'), (data) => data.departments.length > 0),
    prediction: () => {
      const width = 0.1 + ((number += 1) % 20_000) / 10_000;
      const query = 'query ($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { id input } }';
      return ask('prediction', () => send(url, token, query, { inputs: [{ petal_length: 4.8, petal_width: width }] }), ({ predict }) => {
        traffic.predicted.push(TypeID.fromString(predict[0].id as string).toUUID());
        return Math.abs(predict[0].input.petal_width - width) < 1e-5;
      });
    },
    change: () => {
      const email = `hired-${(number += 1)}@example.org`;
      const input = { name: 'Somebody', email, age: 30, jobTitle: 'Tester', jobLevel: 1, hiredOn: '2024-01-01', salary: 1, departmentId };
      const mutation = 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { email } }';
      return ask('change', () => send(url, token, mutation, { input }), ({ createEmployee }) => {
        traffic.hired.push(createEmployee.email as string);
        return createEmployee.email === email;
      });
    },
  };
  const work = async (once: () => Promise<void>): Promise<void> => {
    while (!isStopping) {
      await once();
      await sleep(pauseMs);
    }
  };
  const subscribers = [subscribeBySocket(url, token, traffic.socket), subscribeByEvents(url, token, traffic.eventStream)];
  const working = Object.values(kinds).flatMap((kind) => Array.from({ length: workers }, () => work(kind)));
  return {
    ...traffic,
    async stop() {
      isStopping = true;
      await Promise.all(working);
      for (const subscriber of subscribers) await subscriber.dispose();
    },
  };
}

/** As graphql-ws' clients are by default: they connect again where a socket closes, and subscribe again. */
function subscribeBySocket(url: string, token: string, stream: Traffic['socket']): SocketClient {
  const client = createSocketClient({
    url: socketUrl(url),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    on: {
      connected: () => (stream.connections += 1),
      closed: (event) => stream.closes.push((event as { code: number }).code),
    },
  });
  client.subscribe(...subscription(stream));
  return client;
}

/** As graphql-sse's clients are by default: they ask again where a stream ends without `complete`. */
function subscribeByEvents(url: string, token: string, stream: Stream): EventsClient {
  const client = createEventsClient({
    url,
    headers: { authorization: `Bearer ${token}` },
    fetchFn: (...asked: Parameters<typeof fetch>) => {
      stream.connections += 1;
      return fetch(...asked);
    },
  });
  client.subscribe(...subscription(stream));
  return client;
}

const subscription = (stream: Stream): [{ query: string }, Sink] => [
  { query: 'subscription { predictionRecorded { model { name } } }' },
  { next: () => void (stream.events += 1), error: (error) => (stream.failure = error), complete: () => undefined },
];

async function signIn(url: string): Promise<string> {
  const query = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
  const { data }: Any = await (await send(url, null, query, { input: { email: 'admin@example.com', password: demoAccounts.password } })).json();
  return data.login.accessToken as string;
}

const send = (url: string, token: string | null, query: string, variables: object = {}): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });

const sendByGet = (url: string, token: string, query: string): Promise<Response> =>
  fetch(`${url}?${new URLSearchParams({ query }).toString()}`, { headers: { 'apollo-require-preflight': 'true', authorization: `Bearer ${token}` } });
