import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AnyData } from './gateway.js';
import { waitUntil } from './wait-until.js';

/** An exported span with its attributes by name. */
export interface ExportedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  kind: number;
  /** OTLP status code; 2 is an error. */
  status: number;
  attributes: Record<string, AnyData>;
  links: { traceId: string; spanId: string }[];
}

/** An OTLP collector for JSON over HTTP. */
export interface Collector {
  /** Environment of a process that exports to this collector. */
  env: Record<string, string>;
  spans: () => ExportedSpan[];
  /** All received bodies. */
  text: () => string;
  /** Headers of each export. */
  headers: () => IncomingMessage['headers'][];
  /** Waits for the span of this name. @returns all spans of the trace */
  trace: (traceId: string, name: string) => Promise<ExportedSpan[]>;
  /** Accepts connections but sends no response until restarted. */
  hang: () => void;
  /** Stops; new connections fail. */
  stop: () => Promise<void>;
  /** Listens again on the same port and keeps received spans. */
  restart: () => Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const bodies: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  let isHanging = false;
  let port = 0;
  let server: Server | null = null;

  const listen = async (): Promise<void> => {
    isHanging = false;
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => (body += part));
      request.on('end', () => {
        if (isHanging) return;
        bodies.push(body);
        headers.push(request.headers);
        response.setHeader('content-type', 'application/json').end('{}');
      });
    }).listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const stop = async (): Promise<void> => {
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    server = null;
    await closed;
  };
  const spans = (): ExportedSpan[] => bodies.flatMap(spansIn);

  await listen();
  return {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
    spans,
    text: () => bodies.join('\n'),
    headers: () => headers,
    async trace(traceId, name) {
      const spansOfTrace = (): ExportedSpan[] => spans().filter((span) => span.traceId === traceId);
      await waitUntil(() => spansOfTrace().some((span) => span.name === name));
      return spansOfTrace();
    },
    hang: () => (isHanging = true),
    stop,
    async restart() {
      await stop();
      await listen();
    },
  };
}

function spansIn(body: string): ExportedSpan[] {
  const { resourceSpans }: AnyData = JSON.parse(body);
  const spans: AnyData[] = resourceSpans.flatMap(({ scopeSpans }: AnyData) =>
    scopeSpans.flatMap((scope: AnyData) => scope.spans),
  );
  return spans.map((span) => ({
    ...span,
    parentSpanId: span.parentSpanId ?? '',
    status: span.status?.code ?? 0,
    attributes: Object.fromEntries(span.attributes.map(({ key, value }: AnyData) => [key, plain(value)])),
    links: span.links ?? [],
  }));
}

function plain(value: AnyData): AnyData {
  if ('arrayValue' in value) return (value.arrayValue.values ?? []).map(plain);
  return value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue;
}
