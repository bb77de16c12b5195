import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import type { GraphQLResponse, ResponseError, AnyData, Caller, TestGateway } from './gateway.js';

/** A temporary folder of trusted documents. */
export interface DocumentFolder {
  dir: string;
  /** Writes the file of a release atomically. */
  write(client: string, version: string, content: unknown): Promise<void>;
  remove(client: string, version: string): Promise<void>;
  /** Removes the folder. */
  close(): Promise<void>;
}

export async function makeDocumentFolder(): Promise<DocumentFolder> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-documents-'));
  const fileOf = (client: string, version: string): string => path.join(dir, client, `${version}.json`);
  return {
    dir,
    async write(client, version, content) {
      const file = fileOf(client, version);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(`${file}.draft`, typeof content === 'string' ? content : JSON.stringify(content));
      await rename(`${file}.draft`, file);
    },
    remove: (client, version) => rm(fileOf(client, version)),
    close: () => rm(dir, { recursive: true, force: true }),
  };
}

/** The manifest that codegen's client preset writes for these texts. */
export const presetManifest = (...texts: string[]): Record<string, string> =>
  Object.fromEntries(texts.map((text) => [`sha256:${hashOf(text)}`, text]));

/** Sends an operation in any form, by POST or GET, as a client of this name and version. */
export async function send(
  gateway: TestGateway,
  operation: Record<string, unknown>,
  {
    by = 'POST',
    caller = null,
    client,
    version,
  }: { by?: 'POST' | 'GET'; caller?: Caller; client?: string; version?: string } = {},
): Promise<GraphQLResponse<AnyData>> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    ...(caller === null
      ? {}
      : typeof caller === 'object'
        ? 'token' in caller
          ? { authorization: `Bearer ${caller.token}` }
          : { 'x-api-key': caller.apiKey }
        : { authorization: `Bearer ${await gateway.tokenOf(caller)}` }),
    ...(client === undefined ? {} : { 'apollographql-client-name': client }),
    ...(version === undefined ? {} : { 'apollographql-client-version': version }),
  };
  const response =
    by === 'POST'
      ? await fetch(gateway.url, { method: 'POST', headers, body: JSON.stringify(operation) })
      : await fetch(`${gateway.url}?${searchOf(operation)}`, { headers });
  const body = (await response.json()) as { data?: AnyData; errors?: ResponseError[] };
  return { status: response.status, headers: response.headers, data: body.data, errors: body.errors ?? [] };
}

const searchOf = (operation: Record<string, unknown>): string =>
  new URLSearchParams(
    Object.entries(operation).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  ).toString();
