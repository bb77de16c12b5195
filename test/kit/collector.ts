import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Any } from './gateway.js';
import { until } from './until.js';

/** A span as it was exported, with its attributes by name. */
export interface ExportedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  kind: number;
  /** 2: it failed. */
  status: number;
  attributes: Record<string, Any>;
  links: { traceId: string; spanId: string }[];
}

/** Takes what an OTLP exporter sends over HTTP as JSON, which the environment must ask for. */
export interface Collector {
  /** What a process that is to export here must be told. */
  env: Record<string, string>;
  spans: () => ExportedSpan[];
  /** All that came, as text. */
  text: () => string;
  /** Headers of each export. */
  headers: () => IncomingMessage['headers'][];
  /** The spans of a trace, once the one of this name is among them. */
  trace: (traceId: string, name: string) => Promise<ExportedSpan[]>;
  /** Takes connections and answers nothing until it is restarted. */
  hang: () => void;
  /** Gone: connections are refused. */
  stop: () => Promise<void>;
  /** Back at the same address, with what it had. */
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
      const own = (): ExportedSpan[] => spans().filter((span) => span.traceId === traceId);
      await until(() => own().some((span) => span.name === name));
      return own();
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
  const { resourceSpans }: Any = JSON.parse(body);
  const spans: Any[] = resourceSpans.flatMap(({ scopeSpans }: Any) => scopeSpans.flatMap((scope: Any) => scope.spans));
  return spans.map((span) => ({
    ...span,
    parentSpanId: span.parentSpanId ?? '',
    status: span.status?.code ?? 0,
    attributes: Object.fromEntries(span.attributes.map(({ key, value }: Any) => [key, plain(value)])),
    links: span.links ?? [],
  }));
}

function plain(value: Any): Any {
  if ('arrayValue' in value) return (value.arrayValue.values ?? []).map(plain);
  return value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue;
}
