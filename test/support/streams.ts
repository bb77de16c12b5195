import { once } from 'node:events';
import { createClient, type Client, type ClientOptions } from 'graphql-ws';
import WebSocket from 'ws';
import type { AnyData, Variables } from './gateway.js';
import { waitUntil } from './wait-until.js';

/** Results of a subscription as its client receives them. */
export interface ReceivedEvents {
  /** Results so far. */
  results: AnyData[];
  /** The next unread result. Rejects if the stream ends first, or after ten seconds. */
  next: () => Promise<AnyData>;
  /** Resolves at the end with `complete`, the errors, or the close event of the socket. */
  ended: Promise<AnyData>;
  /** Unsubscribes. */
  stop: () => void;
}

export const socketUrl = (url: string): string => url.replace(/^http/, 'ws');

/** A graphql-ws client that does not reconnect. */
export function socketClient(
  url: string,
  connectionParams: Record<string, unknown>,
  options: Partial<ClientOptions> = {},
): Client {
  return createClient({
    url: socketUrl(url),
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
    lazy: true,
    ...options,
  });
}

export function listen(client: Client, query: string, variables: Variables = {}): ReceivedEvents {
  const { received, onResult, end } = collector();
  const stop = client.subscribe({ query, variables }, { next: onResult, error: end, complete: () => end('complete') });
  return { ...received, stop };
}

/** Opens a stream of server-sent events. @returns `rejection` with the JSON body if the response is not a stream */
export async function openEvents(
  url: string,
  { headers = {}, body, search }: { headers?: Record<string, string>; body?: unknown; search?: Record<string, string> },
): Promise<{ status: number; headers: Headers; rejection: AnyData; received: ReceivedEvents }> {
  const abort = new AbortController();
  const response = await fetch(search ? `${url}?${new URLSearchParams(search).toString()}` : url, {
    method: search ? 'GET' : 'POST',
    headers: { accept: 'text/event-stream', ...(search ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(search ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: abort.signal,
  });
  const { received, onResult, end } = collector();
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const rejection: AnyData = isStream ? null : await response.json();
  if (isStream) void readEvents(response, onResult).then(end, end);
  return {
    status: response.status,
    headers: response.headers,
    rejection,
    received: { ...received, stop: () => abort.abort() },
  };
}

/** Reads events until `complete`, or until the body ends without it. */
async function readEvents(response: Response, onResult: (result: AnyData) => void): Promise<string> {
  let text = '';
  let hasCompleted = false;
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString();
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      if (event.startsWith('event: next\ndata: ')) onResult(JSON.parse(event.slice('event: next\ndata: '.length)));
      else if (event === 'event: complete\ndata:') hasCompleted = true;
      else if (event !== ':') throw new Error(`Invalid server-sent event: ${event}`);
    }
  }
  return hasCompleted ? 'complete' : 'cut';
}

function collector() {
  const results: AnyData[] = [];
  let readCount = 0;
  let end: (how: AnyData) => void = () => undefined;
  let outcome: { how: AnyData } | null = null;
  const ended = new Promise<AnyData>((resolve) => {
    end = (how) => {
      outcome ??= { how };
      resolve(how);
    };
  });
  const next = async (): Promise<AnyData> => {
    await waitUntil(() => results.length > readCount || outcome !== null, 'A result');
    if (results.length === readCount) throw new Error(`The stream ended: ${JSON.stringify(outcome?.how)}`);
    readCount += 1;
    return results[readCount - 1];
  };
  return { received: { results, next, ended }, onResult: (result: AnyData) => void results.push(result), end };
}

/** A WebSocket for hand-written protocol messages. */
export interface RawSocket {
  socket: WebSocket;
  /** Received messages, parsed. */
  messages: AnyData[];
  send: (message: unknown) => void;
  /** Close code and reason. */
  closed: Promise<{ code: number; reason: string }>;
}

export async function rawSocket(
  url: string,
  { headers = {}, protocol = 'graphql-transport-ws' }: { headers?: Record<string, string>; protocol?: string } = {},
): Promise<RawSocket> {
  const socket = new WebSocket(socketUrl(url), protocol, { headers });
  const messages: AnyData[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString())));
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code: number, reason: Buffer) => resolve({ code, reason: reason.toString() }));
  });
  await once(socket, 'open');
  return {
    socket,
    messages,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
  };
}

/** HTTP status of an upgrade; 101 if it is accepted. */
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
