/** Reads HTTP/1.1 answers out of the bytes of a connection (RFC 9112), as far as a JSON API needs it. */

export interface Answer {
  readonly status: number;
  /** Value of the ETag header, without its quotes; empty when there is none. */
  readonly etag: string;
  readonly body: string;
}

const END_OF_HEAD = Buffer.from("\r\n\r\n");

/**
 * Takes one whole answer from the front of `bytes`.
 *
 * @returns undefined while some of it is missing.
 * @throws {Error} for an answer whose length is not told by Content-Length: it is not worth code here.
 */
export function takeAnswer(bytes: Buffer): { answer: Answer; length: number } | undefined {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  if (!status) throw new Error(`not an HTTP/1.1 answer: ${head.slice(0, 80)}`);
  // RFC 9112, section 6.3: these never have a body.
  const bodiless = status === 204 || status === 304;
  const told = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (!bodiless && told === undefined) throw new Error(`the answer does not tell its length: ${head.slice(0, 200)}`);
  const start = end + END_OF_HEAD.length;
  const length = start + (bodiless ? 0 : Number(told));
  if (bytes.length < length) return undefined;
  const etag = /\r\netag: *(?:W\/)?"([^"\r\n]*)"/i.exec(head)?.[1] ?? "";
  return { answer: { status, etag, body: bytes.toString("utf8", start, length) }, length };
}
