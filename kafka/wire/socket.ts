/**
 * Sockets to brokers. kafkajs times out a request but keeps using its connection, so a half-open connection would time
 * out every request. These sockets close when a response is overdue: all requests on them fail at once, and the next
 * request reconnects.
 */
import net from "node:net";
import tls from "node:tls";
import type { ISocketFactory } from "kafkajs";

/** API keys of the requests that may wait for other members of the group. */
const JOIN_GROUP = 11;
const SYNC_GROUP = 14;
const CHECK_INTERVAL_MS = 250;

/** `code` of the error that closes a connection whose response is overdue. kafkajs passes the error on. */
export const RESPONSE_TIMEOUT = "ERESPONSETIMEOUT";

/**
 * Makes sockets that close themselves when the broker sends no byte for too long while a response is pending.
 *
 * @param timeoutMs the limit in milliseconds.
 * @param joinTimeoutMs the limit while a JoinGroup or SyncGroup is pending.
 */
export const socketFactory =
  (timeoutMs: number, joinTimeoutMs: number): ISocketFactory =>
  ({ host, port, ssl, onConnect }) => {
    const name = net.isIP(host) ? {} : { servername: host };
    const socket = ssl
      ? tls.connect({ host, port, ...name, ...ssl }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    closeOnResponseTimeout(socket, timeoutMs, joinTimeoutMs);
    unrefOnce(socket);
    return socket;
  };

/**
 * kafkajs calls `unref` on a socket at every disconnect, also when it is already closed. A socket that is not connected
 * adds a listener each time: after a broker's death the runtime warned of a listener leak.
 */
function unrefOnce(socket: net.Socket): void {
  const unref = socket.unref.bind(socket);
  let called = false;
  socket.unref = () => {
    if (!called && !socket.destroyed) unref();
    called = true;
    return socket;
  };
}

function closeOnResponseTimeout(socket: net.Socket, timeoutMs: number, joinTimeoutMs: number): void {
  const frames = new FrameCounter();
  let pendingResponses = 0;
  let isJoining = false;
  let silentChecks = 0;

  const write = socket.write.bind(socket) as (data: Buffer, encoding?: BufferEncoding) => boolean;
  // kafkajs writes each request in one call: its length, then its API key.
  socket.write = ((data: Buffer, encoding?: BufferEncoding) => {
    if (pendingResponses++ === 0) silentChecks = 0;
    const apiKey = data.length >= 6 ? data.readInt16BE(4) : -1;
    isJoining ||= apiKey === JOIN_GROUP || apiKey === SYNC_GROUP;
    return write(data, encoding);
  }) as typeof socket.write;

  socket.on("data", (chunk: Buffer) => {
    silentChecks = 0;
    pendingResponses = Math.max(0, pendingResponses - frames.countCompleted(chunk));
    if (pendingResponses === 0) isJoining = false;
  });

  // Counts checks instead of reading the clock: after this process was suspended, brokers must not count as silent.
  const timer = setInterval(() => {
    if (pendingResponses === 0) return;
    const limitMs = isJoining ? joinTimeoutMs : timeoutMs;
    if (++silentChecks * CHECK_INTERVAL_MS <= limitMs) return;
    const error = new Error(`no response from the broker for ${limitMs} ms; closing the connection`);
    socket.destroy(Object.assign(error, { code: RESPONSE_TIMEOUT }));
  }, CHECK_INTERVAL_MS);
  timer.unref?.();
  socket.on("close", () => clearInterval(timer));
}

/** Counts responses in the byte stream. Each is a length of four bytes and that many bytes, in chunks of any size. */
class FrameCounter {
  private header = Buffer.alloc(4);
  private headerBytes = 0;
  private remainingBody = 0;

  /** Returns how many responses end in this chunk. */
  countCompleted(chunk: Buffer): number {
    let count = 0;
    for (let position = 0; position < chunk.length; ) {
      if (this.remainingBody > 0) {
        const step = Math.min(this.remainingBody, chunk.length - position);
        position += step;
        this.remainingBody -= step;
        if (this.remainingBody === 0) count++;
        continue;
      }
      this.header[this.headerBytes++] = chunk[position++]!;
      if (this.headerBytes < 4) continue;
      this.headerBytes = 0;
      this.remainingBody = this.header.readInt32BE(0);
      if (this.remainingBody <= 0) count++;
    }
    return count;
  }
}
