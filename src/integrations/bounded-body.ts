/**
 * Reads the body of a response completely, up to a bound.
 * @param tooLarge makes the error for a larger body
 * @throws that error, and errors of the connection
 */
export async function boundedBody(
  { body }: Response,
  maxBytes: number,
  tooLarge = (message: string): Error => new Error(message),
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    // Throwing ends the iteration, which closes the connection.
    if (bytes > maxBytes) throw tooLarge(`the response is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
