import { HeaderMap, type HTTPGraphQLRequest } from '@apollo/server';
import type { FastifyRequest } from 'fastify';
import type { SentOperation } from '../../persisted-documents/sent-operation.js';
import type { HttpOperation } from '../../graphql/server/operation-server.js';
import { preflightHeaders } from '../../graphql/server/apollo-server.js';
import type { ResponseType } from '../../graphql/server/media-type.js';
import { BadRequest } from '../../errors/app-error.js';
import { assertShallow } from '../hooks/json-body.js';

/**
 * Reads the operation of a request. @returns null if its body is not an operation, which Apollo Server reports
 * @param body the body, or one operation of a batch
 * @throws BadRequest for an invalid query string
 */
export function sentOperation(request: FastifyRequest, body: unknown): SentOperation | null {
  if (request.method !== 'POST') return operationInSearch(request);
  return isOperation(body) ? body : null;
}

/** The resolved operation of a request, or a body that is none. */
type Content = { operation: SentOperation } | { operation: null; body: unknown };

/** Builds the request for `OperationServer`. @param type the media type of the response; null if none is acceptable */
export function httpOperation(request: FastifyRequest, content: Content, type: ResponseType | null): HttpOperation {
  // Node sends the headers of GET for HEAD.
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  return {
    operation: content.operation && isPreflighted(request) ? withJsonVariables(method, content.operation) : null,
    method,
    type,
    forApollo: () => apolloRequest(request, method, content, type),
  };
}

/** Whether a page of another site cannot send the request without a preflight. Apollo Server decides about other content types. */
function isPreflighted({ headers }: FastifyRequest): boolean {
  const { 'content-type': type } = headers;
  return type === undefined
    ? preflightHeaders.some((name) => Boolean(headers[name]))
    : /^application\/json *(?:;|$)/i.test(type);
}

/** The operation of a GET with `variables` parsed from JSON, if they are JSON; that of a POST unchanged. */
const withJsonVariables = (method: string, operation: SentOperation): SentOperation =>
  method === 'GET' && typeof operation.variables === 'string'
    ? { ...operation, variables: jsonIn(operation.variables) }
    : operation;

function apolloRequest(
  request: FastifyRequest,
  method: string,
  content: Content,
  type: ResponseType | null,
): HTTPGraphQLRequest {
  const head = { method, headers: headersOf(request) };
  // Apollo Server must not choose another one.
  if (type !== null) head.headers.set('accept', type);
  if (content.operation === null) return { ...head, search: '', body: content.body };
  return method === 'GET'
    ? { ...head, body: undefined, search: searchOf(content.operation) }
    : { ...head, search: '', body: content.operation };
}

/**
 * The operation of a GET with `variables` parsed from JSON; that of a POST unchanged.
 * @throws BadRequest if a parameter is not a JSON object
 */
export function withParsedParameters({ method }: FastifyRequest, operation: SentOperation): SentOperation {
  if (method === 'POST') return operation;
  const { variables, extensions } = operation;
  if (typeof extensions === 'string') throw new BadRequest('The parameter extensions must be a JSON object.');
  if (typeof variables !== 'string') return operation;
  const parsed = jsonIn(variables);
  if (!isOperation(parsed)) throw new BadRequest('The parameter variables must be a JSON object.');
  return { ...operation, variables: parsed };
}

/**
 * Parses the query string of a GET, with `extensions` parsed from JSON; invalid JSON stays a string. An empty parameter, or null in
 * JSON, equals an absent one (GraphQL over HTTP, 5.1).
 * @throws BadRequest if a parameter is repeated, or JSON nests too deep
 */
function operationInSearch(request: FastifyRequest): SentOperation {
  const parameters = new URLSearchParams(searchPartOf(request));
  const names = [...parameters.keys()];
  for (const name of operationParameters) {
    if (names.indexOf(name) !== names.lastIndexOf(name))
      throw new BadRequest(`The search parameter ${name} may be given once.`);
    const isJson = jsonParameters.includes(name);
    const text = parameters.get(name)?.trim();
    if (text === '' || (isJson && text === 'null')) parameters.delete(name);
    else if (isJson) assertShallow(text ?? '', `The parameter ${name}`);
  }
  const sent: Record<string, unknown> = Object.fromEntries(parameters);
  if (typeof sent.extensions === 'string') sent.extensions = jsonIn(sent.extensions);
  return sent;
}

const searchPartOf = ({ url }: FastifyRequest): string => (url.includes('?') ? url.slice(url.indexOf('?')) : '');

const jsonParameters = ['variables', 'extensions'];
const operationParameters = ['query', 'operationName', 'documentId', 'id', ...jsonParameters];

function searchOf(operation: SentOperation): string {
  const texts = Object.entries(operation).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return `?${new URLSearchParams(texts).toString()}`;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const isOperation = (body: unknown): body is SentOperation =>
  typeof body === 'object' && body !== null && !Array.isArray(body);

function headersOf({ headers }: FastifyRequest): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) map.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return map;
}
