/** Parses HTTP/1.1 responses (RFC 9112), as far as a JSON API needs it. */

/** A parsed response. */
export interface HttpResponse {
  readonly status: number;
  /** Value of the ETag header, without its quotes; empty when there is none. */
  readonly etag: string;
  readonly body: string;
}

const END_OF_HEAD = Buffer.from("\r\n\r\n");

/**
 * Parses one response at the start of `bytes`.
 *
 * @returns the response and its length in bytes; undefined while it is incomplete.
 * @throws {Error} when the response has a body without Content-Length (chunked encoding is not supported), or is not
 *   HTTP/1.1.
 */
export function parseResponse(bytes: Buffer): { response: HttpResponse; length: number } | undefined {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  if (!status) throw new Error(`not an HTTP/1.1 response: ${head.slice(0, 80)}`);
  // RFC 9112, section 6.3: these never have a body.
  const hasNoBody = status === 204 || status === 304;
  const contentLength = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (!hasNoBody && contentLength === undefined)
    throw new Error(`the response has no Content-Length: ${head.slice(0, 200)}`);
  const start = end + END_OF_HEAD.length;
  const length = start + (hasNoBody ? 0 : Number(contentLength));
  if (bytes.length < length) return undefined;
  const etag = /\r\netag: *(?:W\/)?"([^"\r\n]*)"/i.exec(head)?.[1] ?? "";
  return { response: { status, etag, body: bytes.toString("utf8", start, length) }, length };
}
