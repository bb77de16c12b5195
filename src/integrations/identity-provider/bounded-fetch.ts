const maxBodyBytes = 256 * 1024;

/** `fetch` whose response is read completely, up to a bound. @throws Error if it is larger, and errors of `fetch` */
export async function boundedFetch(url: string, init: RequestInit): Promise<Response> {
  const { body, status, headers } = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    // Throwing ends the iteration, which closes the connection.
    if (bytes > maxBodyBytes) throw new Error(`the response is larger than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return new Response(chunks.length > 0 ? Buffer.concat(chunks) : null, { status, headers });
}
