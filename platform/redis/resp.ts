/**
 * Redis' protocol, as far as the cache needs it: commands of texts, and replies that are one text, number or null.
 *
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2)
 */

/** The server rejected a command. Its message begins with Redis' code, such as NOSCRIPT. */
export class RedisReplyError extends Error {}

/** A reply of the server. */
export type Reply = string | number | null | RedisReplyError;

/** The bytes of a command. */
export function encodeCommand(words: readonly (string | number)[]): string {
  let text = `*${words.length}\r\n`;
  for (const word of words) {
    const value = typeof word === "string" ? word : String(word);
    text += `$${Buffer.byteLength(value)}\r\n${value}\r\n`;
  }
  return text;
}

const END = Buffer.from("\r\n");
const MINUS = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const DOLLAR = 0x24;

/** Divides the bytes of a connection into replies. */
export class ReplyReader {
  private incomplete: Buffer | undefined;

  /** @param onReply called with each reply, in order. */
  constructor(private readonly onReply: (reply: Reply) => void) {}

  /** @throws {Error} for bytes that are no such reply; the connection must close then. */
  read(chunk: Buffer): void {
    const bytes = this.incomplete ? Buffer.concat([this.incomplete, chunk]) : chunk;
    let start = 0;
    while (start < bytes.length) {
      const next = this.readOne(bytes, start);
      if (next === undefined) break;
      start = next;
    }
    // A copy, since the socket may use the chunk's memory again.
    this.incomplete = start < bytes.length ? Buffer.from(bytes.subarray(start)) : undefined;
  }

  /** @returns where the next reply starts; undefined when this one is not complete. */
  private readOne(bytes: Buffer, start: number): number | undefined {
    const end = bytes.indexOf(END, start);
    if (end < 0) return undefined;
    const line = bytes.toString("utf8", start + 1, end);
    const next = end + END.length;
    switch (bytes[start]) {
      case PLUS:
        this.onReply(line);
        return next;
      case MINUS:
        this.onReply(new RedisReplyError(line));
        return next;
      case COLON:
        this.onReply(Number(line));
        return next;
      case DOLLAR: {
        const length = Number(line);
        if (length < 0) {
          this.onReply(null);
          return next;
        }
        if (bytes.length < next + length + END.length) return undefined;
        this.onReply(bytes.toString("utf8", next, next + length));
        return next + length + END.length;
      }
      default:
        throw new Error(`Redis sent a reply of an unknown kind: ${JSON.stringify(String.fromCharCode(bytes[start]!))}`);
    }
  }
}
