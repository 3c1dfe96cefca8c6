/** Splits the bytes that a broker sends into responses. */
import { ConnectionError } from "./broker-errors.ts";

const LENGTH_BYTES = 4;
const CORRELATION_ID_BYTES = 4;
/** Brokers send far less. A length above it comes from a server of another protocol, or from one that expects TLS. */
const MAX_RESPONSE_BYTES = 256 * 1024 * 1024;

/**
 * Reads responses from chunks of any size. A response is its length in four bytes, the correlation id of its request,
 * and the body. A body within one chunk shares the chunk's memory. Any other body is copied once.
 */
export class ResponseReader {
  private readonly lengthBytes = Buffer.alloc(LENGTH_BYTES);
  private knownLengthBytes = 0;
  /** A response that began in an earlier chunk, and how much of it is there. */
  private partial: Buffer | undefined;
  private filled = 0;

  /** @param onResponse called for each complete response. `body` may be kept. */
  constructor(private readonly onResponse: (correlationId: number, body: Buffer) => void) {}

  /** Reads the next bytes. @throws {ConnectionError} for a length that no response has. */
  read(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.partial) {
        const copied = chunk.copy(this.partial, this.filled, position);
        position += copied;
        this.filled += copied;
        if (this.filled < this.partial.length) return;
        const response = this.partial;
        this.partial = undefined;
        this.report(response, 0, response.length);
        continue;
      }
      let length: number;
      if (this.knownLengthBytes === 0 && chunk.length - position >= LENGTH_BYTES) {
        length = chunk.readInt32BE(position);
        position += LENGTH_BYTES;
      } else {
        this.lengthBytes[this.knownLengthBytes++] = chunk[position++]!;
        if (this.knownLengthBytes < LENGTH_BYTES) continue;
        this.knownLengthBytes = 0;
        length = this.lengthBytes.readInt32BE(0);
      }
      if (length < CORRELATION_ID_BYTES || length > MAX_RESPONSE_BYTES)
        throw new ConnectionError(`the server sent a response of ${length} bytes; it may not be a Kafka broker`);
      if (chunk.length - position >= length) {
        this.report(chunk, position, length);
        position += length;
      } else {
        this.partial = Buffer.allocUnsafeSlow(length);
        this.filled = 0;
      }
    }
  }

  private report(bytes: Buffer, start: number, length: number): void {
    this.onResponse(bytes.readInt32BE(start), bytes.subarray(start + CORRELATION_ID_BYTES, start + length));
  }
}
