import { HeaderMap, type HTTPGraphQLRequest } from '@apollo/server';
import type { FastifyRequest } from 'fastify';
import type { DocumentCaller, DocumentGate, SentOperation } from '../documents/document-gate.js';
import { BadRequest } from '../shared/errors.js';
import { assertShallow } from './json-body.js';

/**
 * The request as Apollo Server takes it, with the document's text in place of its id.
 * @param body what it brings; of a list, one operation
 * @throws AppError where the document is not to be executed
 */
export async function admittedRequest(request: FastifyRequest, body: unknown, documents: DocumentGate, caller: DocumentCaller): Promise<HTTPGraphQLRequest> {
  // Node answers HEAD with the headers of GET.
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const head = { method, headers: headersOf(request) };
  const search = searchPartOf(request);
  if (method !== 'GET') return { ...head, search, body: isOperation(body) ? await documents.admit(body, caller) : body };
  const sent = operationInSearch(request);
  const admitted = await documents.admit(sent, caller);
  return { ...head, body, search: admitted === sent ? search : searchOf(admitted) };
}

/**
 * What the search of a GET says, with `extensions` as the object that its JSON stands for. JSON that is faulty stays a text.
 * @throws BadRequest where a parameter that says which document it is stands there twice, or JSON nests too deep
 */
export function operationInSearch(request: FastifyRequest): SentOperation {
  const parameters = new URLSearchParams(searchPartOf(request));
  const names = [...parameters.keys()];
  for (const name of ['query', ...idParameters]) {
    if (names.indexOf(name) !== names.lastIndexOf(name)) throw new BadRequest(`The search parameter ${name} may be given once.`);
  }
  const sent: Record<string, unknown> = Object.fromEntries(parameters);
  for (const name of ['variables', 'extensions']) assertShallow(parameters.get(name) ?? '', `The parameter ${name}`);
  if (typeof sent.extensions === 'string') sent.extensions = jsonIn(sent.extensions);
  return sent;
}

const searchPartOf = ({ url }: FastifyRequest): string => (url.includes('?') ? url.slice(url.indexOf('?')) : '');

const idParameters = ['documentId', 'id', 'extensions'];

function searchOf(operation: SentOperation): string {
  const texts = Object.entries(operation).map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  return `?${new URLSearchParams(texts).toString()}`;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const isOperation = (body: unknown): body is SentOperation => typeof body === 'object' && body !== null && !Array.isArray(body);

function headersOf({ headers }: FastifyRequest): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) map.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return map;
}
