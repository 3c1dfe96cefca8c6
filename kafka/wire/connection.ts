/** One connection to one broker. It connects at the first request and reconnects after an error. */
import type { KafkaConfig } from "kafkajs";
import { lookup } from "kafkajs/src/protocol/requests/index.js";
import type { Logger } from "../../observability/logger.ts";
import { ResponseTimeoutError } from "./broker-errors.ts";
import { type Protocol, protocolOf, type Requests } from "./protocol.ts";
import { ResponseWatch } from "./response-watch.ts";
import { openSession, type Session } from "./session.ts";

/** A broker's address, as the cluster's metadata reports it. */
export interface Node {
  /** The broker's id, or -1 for a configured address whose id is not known yet. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** The settings of all connections of a process. */
export interface ConnectionSettings {
  readonly clientId: string;
  readonly logger: Pick<Logger, "debug">;
  /** TLS and SASL in kafkajs' form. Default: neither. */
  readonly security?: Pick<KafkaConfig, "ssl" | "sasl">;
  /** Called for each request that is sent, with Kafka's name in small letters: `produce`, `find_coordinator`. */
  readonly onRequest?: (name: string) => void;
}

/** What all connections of a process share. */
export class ConnectionOptions {
  readonly clientId: string;
  readonly logger: Pick<Logger, "debug">;
  readonly security: Pick<KafkaConfig, "ssl" | "sasl">;
  readonly onRequest: ((apiName: string) => void) | undefined;
  readonly watch = new ResponseWatch();
  /** Time of the last response timeout of any connection to an address (`host:port`), by `performance.now()`. */
  readonly timedOutAtMs = new Map<string, number>();

  constructor({ clientId, logger, security = {}, onRequest }: ConnectionSettings) {
    this.clientId = clientId;
    this.logger = logger;
    this.security = security;
    this.onRequest = onRequest && ((apiName) => onRequest(requestName(apiName)));
  }
}

/** A connection fails when a response is pending and the broker sends no byte for this long, in milliseconds. */
const RESPONSE_TIMEOUT_MS = 5_000;
/** The same for JoinGroup and SyncGroup, which a broker answers only when all members have joined. */
const JOIN_TIMEOUT_MS = 30_000;
/** Includes the TLS handshake. */
const CONNECT_TIMEOUT_MS = 2_000;

/** Sends requests to its broker. They may run concurrently. The broker handles them one after the other. */
export class Connection {
  private session: Session | undefined;
  private opening: Promise<Session> | undefined;
  private closed = false;
  private readonly address: string;

  constructor(
    readonly node: Node,
    readonly options: ConnectionOptions,
  ) {
    this.address = `${node.host}:${node.port}`;
  }

  /**
   * Sends a request of the table in protocol.ts and returns the response. Error codes inside it are left to the caller.
   *
   * @throws {ConnectionError} when the response is lost. The broker may have executed the request.
   */
  async request<Name extends keyof Requests>(
    name: Name,
    body: Requests[Name]["request"],
  ): Promise<Requests[Name]["response"]> {
    const { socket, versions } = await this.ready();
    return socket.send(await protocolOf(name, body, lookup(versions)));
  }

  /** Sends a request that has its own codec. @throws {ConnectionError} like `request`. */
  send<Response>(protocol: Protocol<Response>): Promise<Response> {
    // No promise beside the response's own: this is the path of every record.
    const { session } = this;
    if (session && this.isUsable(session)) return session.socket.send(protocol);
    return this.ready().then(({ socket }) => socket.send(protocol));
  }

  /** Returns the newest version of a request that the broker supports. @throws {ConnectionError} like `request`. */
  async maxVersion(apiKey: number): Promise<number> {
    return (await this.ready()).versions[apiKey]?.maxVersion ?? 0;
  }

  /** Rejects new requests and disconnects once the requests in flight have their responses. */
  close(): void {
    this.closed = true;
    this.disconnect();
  }

  private isUsable({ socket, renewAtMs }: Session): boolean {
    if (this.closed || !socket.isOpen || performance.now() >= renewAtMs) return false;
    // After a timeout of one connection, other idle connections to the same address are usually dead too. Reconnecting
    // saves each of them its own timeout.
    return !((this.options.timedOutAtMs.get(this.address) ?? -1) > socket.respondedAtMs);
  }

  private async ready(): Promise<Session> {
    if (this.closed) throw new Error(`the connection to broker ${this.node.id} is closed`);
    if (this.session && this.isUsable(this.session)) return this.session;
    this.disconnect();
    this.opening ??= this.open().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  private async open(): Promise<Session> {
    const { clientId, logger, security, watch, onRequest, timedOutAtMs } = this.options;
    const session: Session = await openSession({
      ...{ host: this.node.host, port: this.node.port, clientId, logger, security, watch, onRequest },
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      timeoutMs: RESPONSE_TIMEOUT_MS,
      joinTimeoutMs: JOIN_TIMEOUT_MS,
      onClosed: (error) => {
        if (error instanceof ResponseTimeoutError) timedOutAtMs.set(this.address, performance.now());
        logger.debug({ broker: this.node, err: error }, "a connection to a broker is closed");
      },
    });
    this.session = session;
    if (this.closed) this.disconnect();
    return session;
  }

  private disconnect(): void {
    this.session?.socket.finish();
    this.session = undefined;
  }
}

const requestNames = new Map([["GroupCoordinator", "find_coordinator"]]);

/** Returns Kafka's name of a request as a label of metrics: `list_offsets` for `ListOffsets`. */
function requestName(apiName: string): string {
  let name = requestNames.get(apiName);
  if (name === undefined) {
    name = apiName.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
    requestNames.set(apiName, name);
  }
  return name;
}
