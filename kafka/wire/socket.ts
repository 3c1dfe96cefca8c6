/**
 * Sockets to brokers. kafkajs times requests out but goes on using the connection, so a peer that is gone without a word (a
 * half-open connection) would be asked for ever. Here a connection that owes an answer for too long is destroyed: all its
 * requests then fail at once, and the next one connects anew.
 */
import net from "node:net";
import tls from "node:tls";
import type { ISocketFactory } from "kafkajs";

const JOIN_GROUP = 11;
const SYNC_GROUP = 14;
const CHECK_MS = 250;

/** The `code` of the error that ends a connection which owes an answer for too long; kafkajs hands it on. */
export const RESPONSE_TIMEOUT = "ESILENT";

/**
 * @param timeoutMs without a byte from the broker while an answer is due.
 * @param joinPatienceMs the same while a consumer group gathers its members, which a broker may keep waiting for.
 */
export const socketFactory =
  (timeoutMs: number, joinPatienceMs: number): ISocketFactory =>
  ({ host, port, ssl, onConnect }) => {
    const name = net.isIP(host) ? {} : { servername: host };
    const socket = ssl
      ? tls.connect({ host, port, ...name, ...ssl }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    watch(socket, timeoutMs, joinPatienceMs);
    unrefOnce(socket);
    return socket;
  };

/**
 * kafkajs unrefs a socket each time that it gives its connection up, also when there is none any more. One that is not connected keeps
 * that for later, as one more listener each time: after a broker's death the runtime warned of a leak of them.
 */
function unrefOnce(socket: net.Socket): void {
  const unref = socket.unref.bind(socket);
  let asked = false;
  socket.unref = () => {
    if (!asked && !socket.destroyed) unref();
    asked = true;
    return socket;
  };
}

function watch(socket: net.Socket, timeoutMs: number, joinPatienceMs: number): void {
  const frames = new FrameCounter();
  let due = 0;
  let joining = false;
  let silentChecks = 0;

  const write = socket.write.bind(socket) as (data: Buffer, encoding?: BufferEncoding) => boolean;
  // kafkajs writes each request whole, in one call: its length, then its API key.
  socket.write = ((data: Buffer, encoding?: BufferEncoding) => {
    if (due++ === 0) silentChecks = 0;
    const apiKey = data.length >= 6 ? data.readInt16BE(4) : -1;
    joining ||= apiKey === JOIN_GROUP || apiKey === SYNC_GROUP;
    return write(data, encoding);
  }) as typeof socket.write;

  socket.on("data", (chunk: Buffer) => {
    silentChecks = 0;
    due = Math.max(0, due - frames.ended(chunk));
    if (due === 0) joining = false;
  });

  // Counts checks, not time: a process that was itself suspended must not blame its peers when it goes on.
  const timer = setInterval(() => {
    if (due === 0) return;
    const limitMs = joining ? joinPatienceMs : timeoutMs;
    if (++silentChecks * CHECK_MS <= limitMs) return;
    const error = new Error(`no answer from the broker for ${limitMs} ms; the connection is given up`);
    socket.destroy(Object.assign(error, { code: RESPONSE_TIMEOUT }));
  }, CHECK_MS);
  timer.unref?.();
  socket.on("close", () => clearInterval(timer));
}

/** Counts answers: each is four bytes of length and that many bytes, cut anywhere by the network. */
class FrameCounter {
  private header = Buffer.alloc(4);
  private headerBytes = 0;
  private bodyLeft = 0;

  /** Frames that end in this chunk. */
  ended(chunk: Buffer): number {
    let count = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.bodyLeft > 0) {
        const step = Math.min(this.bodyLeft, chunk.length - at);
        at += step;
        this.bodyLeft -= step;
        if (this.bodyLeft === 0) count++;
        continue;
      }
      this.header[this.headerBytes++] = chunk[at++]!;
      if (this.headerBytes < 4) continue;
      this.headerBytes = 0;
      this.bodyLeft = this.header.readInt32BE(0);
      if (this.bodyLeft <= 0) count++;
    }
    return count;
  }
}
