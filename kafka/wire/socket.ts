/**
 * A socket to a broker that sends requests and matches them with responses. It closes when a response is overdue, since
 * a half-open connection would time out every request. All its requests fail together when it closes.
 */
import net from "node:net";
import tls from "node:tls";
import { ConnectionError, ResponseTimeoutError } from "./broker-errors.ts";
import { ResponseReader } from "./frames.ts";
import type { Protocol } from "./protocol.ts";
import { CHECK_INTERVAL_MS, type ResponseWatch, type Watched } from "./response-watch.ts";

/** API keys of the requests that may wait for other members of the group. */
const JOIN_GROUP = 11;
const SYNC_GROUP = 14;
/** Limit of pending responses. A broker with more of them does not respond at all. */
const MAX_PENDING = 1_000;
const KEEP_ALIVE_MS = 10_000;
/** Length, API key, API version, correlation id, and the length of the client id. */
const FIXED_HEADER_BYTES = 14;
const LAST_CORRELATION_ID = 2 ** 31 - 1;

/** How a socket connects, and when it closes itself. */
export interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  /** Undefined: no TLS. */
  readonly tls: Pick<tls.ConnectionOptions, "ca" | "cert" | "key"> | undefined;
  readonly connectTimeoutMs: number;
  /** The socket closes when the broker sends no byte for this long while a response is pending. */
  readonly timeoutMs: number;
  /** The same while a JoinGroup or SyncGroup is pending. */
  readonly joinTimeoutMs: number;
  readonly watch: ResponseWatch;
  /** Called for each request that is sent, with Kafka's name of it. */
  readonly onRequest: ((apiName: string) => void) | undefined;
  /** Called once when the socket is closed or cannot connect. */
  readonly onClosed: (error: ConnectionError) => void;
}

interface PendingResponse {
  readonly correlationId: number;
  readonly decode: (body: Buffer) => unknown;
  readonly resolve: (response: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Socket = Bun.Socket<undefined>;

/** States: connecting, open, finishing (no new requests), closed (`failure` is set). */
export class BrokerSocket implements Watched {
  /** Time of the last response, by `performance.now()`. */
  respondedAtMs = performance.now();
  private readonly connecting = Promise.withResolvers<void>();
  private readonly reader = new ResponseReader((correlationId, body) => this.complete(correlationId, body));
  private readonly clientId: Buffer;
  private readonly address: string;
  private socket: Socket | undefined;
  private failure: ConnectionError | undefined;
  private isFinishing = false;
  /** In the order of the requests: brokers respond in that order. */
  private readonly pending: PendingResponse[] = [];
  private correlationId = 0;
  /** Bytes that the kernel has not accepted yet. */
  private unsent: Buffer[] = [];
  private isJoining = false;
  private isWatched = false;
  /** Checks without a byte from the broker, and checks without a complete response. */
  private silentChecks = 0;
  private incompleteChecks = 0;

  private constructor(private readonly options: SocketOptions) {
    this.clientId = Buffer.from(options.clientId);
    this.address = `${options.host}:${options.port}`;
  }

  /** Connects. @throws {ConnectionError} when that fails or takes too long, or the certificate is not valid. */
  static async connect(options: SocketOptions): Promise<BrokerSocket> {
    const socket = new BrokerSocket(options);
    const { connectTimeoutMs } = options;
    const timer = setTimeout(
      () =>
        socket.destroy(new ConnectionError(`${socket.address} did not accept a connection in ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    );
    try {
      socket.connect();
      await socket.connecting.promise;
    } finally {
      clearTimeout(timer);
    }
    return socket;
  }

  /** True while new requests can be sent. */
  get isOpen(): boolean {
    return this.failure === undefined && !this.isFinishing;
  }

  /** The error that closed the socket. */
  get closedBy(): ConnectionError | undefined {
    return this.failure;
  }

  /**
   * Sends a request and returns the response.
   *
   * @throws {ConnectionError} when the response is lost. The broker may have executed the request.
   */
  send<Response>(protocol: Protocol<Response>): Promise<Response> {
    return new Promise<Response>((resolve, reject) => {
      if (!this.isOpen) throw this.failure ?? new ConnectionError(`the connection to ${this.address} is closing`);
      const { apiKey, apiName } = protocol.request;
      if (this.pending.length === MAX_PENDING) {
        this.destroy(new ConnectionError(`${this.address} leaves ${MAX_PENDING} requests unanswered`));
        throw this.failure;
      }
      const request = this.encode(protocol);
      const { correlationId } = this;
      const { decode } = protocol.response;
      if (this.pending.push({ correlationId, decode, resolve: resolve as never, reject }) === 1)
        this.silentChecks = this.incompleteChecks = 0;
      this.isJoining ||= apiKey === JOIN_GROUP || apiKey === SYNC_GROUP;
      if (!this.isWatched) {
        this.isWatched = true;
        this.options.watch.add(this);
      }
      this.options.onRequest?.(apiName);
      this.write(request);
    });
  }

  /** Closes the socket once no response is pending. New requests fail. */
  finish(): void {
    this.isFinishing = true;
    if (this.pending.length === 0) this.destroy(new ConnectionError(`the connection to ${this.address} is closed`));
  }

  /** Closes the socket at once. All its requests fail with the error. */
  destroy(error: ConnectionError): void {
    if (this.failure) return;
    this.failure = error;
    this.unsent = [];
    this.socket?.terminate();
    this.connecting.reject(error);
    for (const { reject } of this.pending.splice(0)) reject(error);
    this.options.onClosed(error);
  }

  check(): boolean {
    if (this.pending.length === 0) {
      this.isWatched = false;
      return false;
    }
    const limitMs = this.isJoining ? this.options.joinTimeoutMs : this.options.timeoutMs;
    // A response that arrives byte by byte is given twice the time.
    const isSilent = ++this.silentChecks * CHECK_INTERVAL_MS > limitMs;
    const isStalled = ++this.incompleteChecks * CHECK_INTERVAL_MS > 2 * limitMs;
    if (isSilent || isStalled)
      this.destroy(
        new ResponseTimeoutError(
          `no response from the broker for ${isSilent ? limitMs : 2 * limitMs} ms; closing the connection`,
        ),
      );
    return this.failure === undefined;
  }

  private connect(): void {
    const { host, port } = this.options;
    const fail = (error: Error) => this.destroy(this.failed(error));
    const closed = () => this.destroy(new ConnectionError(`${this.address} closed the connection`));
    const connecting = Bun.connect<undefined>({
      hostname: host,
      port,
      ...(this.options.tls ? { tls: tlsOptions(host, this.options.tls) } : {}),
      data: undefined,
      socket: {
        open: (socket) => {
          this.socket = socket;
          if (this.failure) return socket.terminate();
          socket.setNoDelay(true);
          socket.setKeepAlive(true, KEEP_ALIVE_MS);
          if (!this.options.tls) this.connecting.resolve();
        },
        handshake: (socket, isAuthorized, error) => {
          const invalid = error ?? tls.checkServerIdentity(host, socket.getPeerCertificate());
          if (isAuthorized && !invalid) this.connecting.resolve();
          else fail(invalid ?? new Error("the certificate is not valid"));
        },
        data: (_, chunk) => this.receive(chunk),
        drain: () => this.writeUnsent(),
        error: (_, error) => fail(error),
        connectError: (_, error) => fail(error),
        end: closed,
        close: closed,
      },
    });
    connecting.catch(fail);
  }

  private failed(error: Error): ConnectionError {
    return new ConnectionError(`the connection to ${this.address} failed: ${error.message}`, { cause: error });
  }

  /** Returns the whole request in one buffer, which is written at once. */
  private encode({ request }: Protocol<unknown>): Buffer {
    this.correlationId = this.correlationId === LAST_CORRELATION_ID ? 0 : this.correlationId + 1;
    const { clientId } = this;
    const bytes = request.encode(FIXED_HEADER_BYTES + clientId.length);
    bytes.writeInt32BE(bytes.length - 4, 0);
    bytes.writeInt16BE(request.apiKey, 4);
    bytes.writeInt16BE(request.apiVersion, 6);
    bytes.writeInt32BE(this.correlationId, 8);
    bytes.writeInt16BE(clientId.length, 12);
    clientId.copy(bytes, FIXED_HEADER_BYTES);
    return bytes;
  }

  private write(request: Buffer): void {
    if (this.unsent.push(request) === 1) this.writeUnsent();
  }

  /** Writes until the kernel accepts no more. Its `drain` event continues. */
  private writeUnsent(): void {
    for (let request = this.unsent[0]; request; request = this.unsent[0]) {
      // Negative when the socket is closed; its `close` event fails the requests.
      const written = this.socket!.write(request);
      if (written < request.length) {
        if (written > 0) this.unsent[0] = request.subarray(written);
        return;
      }
      this.unsent.shift();
    }
  }

  private receive(chunk: Buffer): void {
    this.silentChecks = 0;
    try {
      this.reader.read(chunk);
    } catch (error) {
      this.destroy(error instanceof ConnectionError ? error : this.failed(error as Error));
    }
  }

  private complete(correlationId: number, body: Buffer): void {
    if (this.failure) return;
    const response = this.pending[0];
    if (response?.correlationId !== correlationId)
      throw new ConnectionError(`${this.address} sent a response that does not match the request`);
    this.pending.shift();
    this.respondedAtMs = performance.now();
    this.incompleteChecks = 0;
    if (this.pending.length === 0) this.isJoining = false;
    try {
      response.resolve(response.decode(body));
    } catch (error) {
      response.reject(error);
    }
    if (this.isFinishing) this.finish();
  }
}

/** TLS always checks the certificate and its host name. */
function tlsOptions(host: string, options: NonNullable<SocketOptions["tls"]>): Bun.TLSOptions {
  const name = net.isIP(host) ? {} : { serverName: host };
  // node:tls and Bun declare the same certificates with different types.
  return { ...(options as Bun.TLSOptions), rejectUnauthorized: true, ...name };
}
