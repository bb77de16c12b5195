import { boundedBody } from '../bounded-body.js';

const maxBodyBytes = 256 * 1024;

/** `fetch` whose response is read completely, up to a bound. @throws Error if it is larger, and errors of `fetch` */
export async function boundedFetch(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const { status, headers } = response;
  const body = await boundedBody(response, maxBodyBytes);
  return new Response(body.length > 0 ? body : null, { status, headers });
}
