import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client, type ClientOptions } from 'graphql-ws';
import WebSocket from 'ws';
import type { Any, Variables } from './gateway.js';

/** What a subscription gives, as its client gets it. */
export interface Heard {
  /** The answers so far. */
  answers: Any[];
  /** The next answer that nobody has taken yet; fails where the stream ends before, or says nothing for ten seconds. */
  next: () => Promise<Any>;
  /** How it ended: `complete`, the errors that it ended with, or the close event of its socket. */
  ended: Promise<Any>;
  /** Ends it from the client's side. */
  stop: () => void;
}

const patienceMs = 10_000;

/** Waits until it is so, for ten seconds at the most if nothing else is said. */
export async function until(isSo: () => boolean | Promise<boolean>, what = 'it', withinMs = patienceMs): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what} did not come to pass within ${withinMs} ms.`);
    await sleep(10);
  }
}

export const socketUrl = (url: string): string => url.replace(/^http/, 'ws');

/** A client of graphql-ws that does not connect again by itself. */
export function socketClient(url: string, connectionParams: Record<string, unknown>, options: Partial<ClientOptions> = {}): Client {
  return createClient({ url: socketUrl(url), webSocketImpl: WebSocket, connectionParams, retryAttempts: 0, lazy: true, ...options });
}

export function listen(client: Client, query: string, variables: Variables = {}): Heard {
  const { heard, take, end } = collector();
  const stop = client.subscribe({ query, variables }, { next: take, error: end, complete: () => end('complete') });
  return { ...heard, stop };
}

/** Asks for a stream of server-sent events. A refusal by HTTP comes back as it is. */
export async function openEvents(
  url: string,
  { headers = {}, body, search }: { headers?: Record<string, string>; body?: unknown; search?: Record<string, string> },
): Promise<{ status: number; headers: Headers; refusal: Any; heard: Heard }> {
  const abort = new AbortController();
  const response = await fetch(search ? `${url}?${new URLSearchParams(search).toString()}` : url, {
    method: search ? 'GET' : 'POST',
    headers: { accept: 'text/event-stream', ...(search ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(search ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: abort.signal,
  });
  const { heard, take, end } = collector();
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const refusal: Any = isStream ? null : await response.json();
  if (isStream) void readEvents(response, take).then(end, end);
  return { status: response.status, headers: response.headers, refusal, heard: { ...heard, stop: () => abort.abort() } };
}

/** Reads events until `complete`, or until the body ends without it. */
async function readEvents(response: Response, take: (answer: Any) => void): Promise<string> {
  let text = '';
  let hasCompleted = false;
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString();
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      if (event.startsWith('event: next\ndata: ')) take(JSON.parse(event.slice('event: next\ndata: '.length)));
      else if (event === 'event: complete\ndata:') hasCompleted = true;
      else if (event !== ':') throw new Error(`No event of the protocol: ${event}`);
    }
  }
  return hasCompleted ? 'complete' : 'cut';
}

function collector() {
  const answers: Any[] = [];
  let taken = 0;
  let end: (how: Any) => void = () => undefined;
  let outcome: { how: Any } | null = null;
  const ended = new Promise<Any>((resolve) => {
    end = (how) => {
      outcome ??= { how };
      resolve(how);
    };
  });
  const next = async (): Promise<Any> => {
    await until(() => answers.length > taken || outcome !== null, 'An answer');
    if (answers.length === taken) throw new Error(`The stream has ended: ${JSON.stringify(outcome?.how)}`);
    taken += 1;
    return answers[taken - 1];
  };
  return { heard: { answers, next, ended }, take: (answer: Any) => void answers.push(answer), end };
}

/** A socket that speaks the protocol by hand. */
export interface RawSocket {
  socket: WebSocket;
  /** What came, parsed. */
  messages: Any[];
  send: (message: unknown) => void;
  /** The code and reason that it was closed with. */
  closed: Promise<{ code: number; reason: string }>;
}

export async function rawSocket(url: string, { headers = {}, protocol = 'graphql-transport-ws' }: { headers?: Record<string, string>; protocol?: string } = {}): Promise<RawSocket> {
  const socket = new WebSocket(socketUrl(url), protocol, { headers });
  const messages: Any[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString())));
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code: number, reason: Buffer) => resolve({ code, reason: reason.toString() }));
  });
  await once(socket, 'open');
  return { socket, messages, closed, send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)) };
}

/** The status that an upgrade is refused with. */
export async function upgradeStatus(url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(url, 'graphql-transport-ws', { headers });
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.once('unexpected-response', (_request, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
      socket.terminate();
    });
  });
}
