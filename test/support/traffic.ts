import { setTimeout as sleep } from 'node:timers/promises';
import { createClient as createEventsClient, type Client as EventsClient } from 'graphql-sse';
import { createClient as createSocketClient, type Client as SocketClient, type Sink } from 'graphql-ws';
import { TypeID } from 'typeid-js';
import WebSocket from 'ws';
import { demoAccounts } from '../../src/domains/user/demo-accounts.js';
import type { AnyData } from './gateway.js';
import { socketUrl } from './streams.js';

/** Requests and results of clients behind a load balancer, which do not know the replicas. */
export interface Traffic {
  /** Number of responses without errors, by kind of request. */
  served: Record<RequestKind, number>;
  /** Descriptions of failed requests; expected to be empty. */
  failures: string[];
  /** Email addresses of employees that a response reported as hired. */
  hired: string[];
  /** Database ids of served predictions. */
  predicted: string[];
  /** Subscribers that reconnect automatically. */
  socket: Stream & { closes: number[] };
  eventStream: Stream;
  /** Stops every worker after its current request, then the subscribers. */
  stop: () => Promise<void>;
}

interface Stream {
  connections: number;
  events: number;
  failure: unknown;
}

type RequestKind = 'read' | 'read by GET' | 'prediction' | 'change';

/** Whether the data of a response is correct. */
type Check = (data: AnyData) => boolean;

const pauseMs = 5;

/**
 * Starts `workers` workers per kind of request; each sends one request after the other.
 * @param url the GraphQL endpoint
 */
export async function startTraffic(url: string, workers = 2): Promise<Traffic> {
  const token = await signIn(url);
  const departments: AnyData = await (await send(url, token, '{ departments { id } }')).json();
  const departmentId = departments.data.departments[0].id as string;
  const traffic: Omit<Traffic, 'stop'> = {
    served: { read: 0, 'read by GET': 0, prediction: 0, change: 0 },
    failures: [],
    hired: [],
    predicted: [],
    socket: { connections: 0, closes: [], events: 0, failure: null },
    eventStream: { connections: 0, events: 0, failure: null },
  };
  let isStopping = false;
  let number = 0;

  const execute = async (kind: RequestKind, sent: () => Promise<Response>, isCorrect: Check): Promise<void> => {
    try {
      const response = await sent();
      const text = await response.text();
      const body: AnyData = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : null;
      if (response.status !== 200 || !body?.data || body.errors || !isCorrect(body.data))
        traffic.failures.push(`${kind}: ${response.status} ${text.slice(0, 300)}`);
      else traffic.served[kind] += 1;
    } catch (error) {
      traffic.failures.push(`${kind}: ${String(error)}, ${String((error as Error).cause)}`);
    }
  };
  const kinds: Record<RequestKind, () => Promise<void>> = {
    read: () =>
      execute(
        'read',
        () =>
          send(url, token, '{ me { email } employees(first: 5) { totalCount nodes { name department { name } } } }'),
        ({ me, employees }) => me.email === 'admin@example.com' && employees.nodes.length === 5,
      ),
    'read by GET': () =>
      execute(
        'read by GET',
        () => sendByGet(url, token, '{ departments { name headcount } }'),
        (data) => data.departments.length > 0,
      ),
    prediction: () => {
      const width = 0.1 + ((number += 1) % 20_000) / 10_000;
      const query = 'query ($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { id input } }';
      return execute(
        'prediction',
        () => send(url, token, query, { inputs: [{ petal_length: 4.8, petal_width: width }] }),
        ({ predict }) => {
          traffic.predicted.push(TypeID.fromString(predict[0].id as string).toUUID());
          return Math.abs(predict[0].input.petal_width - width) < 1e-5;
        },
      );
    },
    change: () => {
      const email = `hired-${(number += 1)}@example.org`;
      const input = {
        name: 'Somebody',
        email,
        age: 30,
        jobTitle: 'Tester',
        jobLevel: 1,
        hiredOn: '2024-01-01',
        salary: 1,
        departmentId,
      };
      const mutation = 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { email } }';
      return execute(
        'change',
        () => send(url, token, mutation, { input }),
        ({ createEmployee }) => {
          traffic.hired.push(createEmployee.email as string);
          return createEmployee.email === email;
        },
      );
    },
  };
  const work = async (once: () => Promise<void>): Promise<void> => {
    while (!isStopping) {
      await once();
      await sleep(pauseMs);
    }
  };
  const subscribers = [
    subscribeBySocket(url, token, traffic.socket),
    subscribeByEvents(url, token, traffic.eventStream),
  ];
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

/** With the defaults of graphql-ws, which reconnects and resubscribes after a socket closes. */
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

/** With the defaults of graphql-sse, which reconnects after a stream ends without `complete`. */
function subscribeByEvents(url: string, token: string, stream: Stream): EventsClient {
  const client = createEventsClient({
    url,
    headers: { authorization: `Bearer ${token}` },
    fetchFn: (...args: Parameters<typeof fetch>) => {
      stream.connections += 1;
      return fetch(...args);
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
  const { data }: AnyData = await (
    await send(url, null, query, { input: { email: 'admin@example.com', password: demoAccounts.password } })
  ).json();
  return data.login.accessToken as string;
}

const send = (url: string, token: string | null, query: string, variables: object = {}): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });

const sendByGet = (url: string, token: string, query: string): Promise<Response> =>
  fetch(`${url}?${new URLSearchParams({ query }).toString()}`, {
    headers: { 'apollo-require-preflight': 'true', authorization: `Bearer ${token}` },
  });
