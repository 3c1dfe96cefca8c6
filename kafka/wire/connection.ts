/** One connection to one broker. It connects at the first request and reconnects after an error. */
import type { KafkaConfig } from "kafkajs";
import Broker from "kafkajs/src/broker/index.js";
import ConnectionPool from "kafkajs/src/network/connectionPool.js";
import type { Protocol } from "kafkajs/src/protocol/requests/index.js";
import { errorAction } from "./broker-errors.ts";
import "./encoder-patch.ts";
import { protocolOf, type Requests, type RootLogger } from "./protocol.ts";
import { RESPONSE_TIMEOUT, socketFactory } from "./socket.ts";
import "./timer-patch.ts";

/** A broker's address, as the cluster's metadata reports it. */
export interface Node {
  /** The broker's id, or -1 for a configured address whose id is not known yet. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** What all connections of a process share. */
export interface ConnectionOptions {
  readonly clientId: string;
  readonly logger: RootLogger;
  /** TLS and SASL in kafkajs' form. */
  readonly security: Pick<KafkaConfig, "ssl" | "sasl">;
  /** Time of the last response timeout of any connection to an address (`host:port`), by `performance.now()`. */
  readonly timedOutAtMs: Map<string, number>;
  /** Called for each request that is sent, with Kafka's name in small letters: `produce`, `find_coordinator`. */
  readonly onRequest?: (name: string) => void;
}

/** A connection fails when a response is pending and the broker sends no byte for this long, in milliseconds. */
const RESPONSE_TIMEOUT_MS = 5_000;
/** The same for JoinGroup and SyncGroup, which a broker answers only when all members have joined. */
const JOIN_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 2_000;

/** Sends requests to its broker. They may run concurrently. */
export class Connection {
  private current: { readonly broker: Broker; readonly connected: Promise<void> } | undefined;
  private closed = false;
  private respondedAtMs = 0;
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
   * @throws {Error} a connection error when the response is lost. The broker may have executed the request.
   */
  request<Name extends keyof Requests>(
    name: Name,
    body: Requests[Name]["request"],
  ): Promise<Requests[Name]["response"]> {
    return this.use((broker) => this.sendTo(broker, protocolOf(name, body, broker.lookupRequest)));
  }

  /** Sends a request that has its own codec. @throws {Error} like `request`. */
  send<Response>(protocol: Protocol<Response>): Promise<Response> {
    return this.use((broker) => this.sendTo(broker, protocol));
  }

  /** Returns the newest version of a request that the broker supports. @throws {Error} like `request`. */
  maxVersion(apiKey: number): Promise<number> {
    return this.use(async ({ versions }) => versions?.[apiKey]?.maxVersion ?? 0);
  }

  private sendTo<Response>(broker: Broker, protocol: Protocol<Response>): Promise<Response> {
    this.options.onRequest?.(requestName(protocol.request.apiName));
    return broker.connectionPool.send(protocol);
  }

  private async use<Response>(send: (broker: Broker) => Promise<Response>): Promise<Response> {
    if (this.closed) throw new Error(`the connection to broker ${this.node.id} is closed`);
    const { timedOutAtMs } = this.options;
    // After a timeout of one connection, other idle connections to the same address are usually dead too. Reconnecting
    // saves each of them its own timeout.
    if ((timedOutAtMs.get(this.address) ?? -1) > this.respondedAtMs) this.disconnect();
    this.current ??= this.connect();
    const current = this.current;
    try {
      // isConnected() is true before the broker has reported its API versions, so wait for `connected` as well.
      await current.connected;
      if (!current.broker.isConnected()) await current.broker.connect();
      const response = await send(current.broker);
      this.respondedAtMs = performance.now();
      return response;
    } catch (error) {
      if ((error as { code?: unknown }).code === RESPONSE_TIMEOUT) timedOutAtMs.set(this.address, performance.now());
      // A late response on the old connection could be matched with another request.
      if (errorAction(error) === "retry" && this.current === current) this.disconnect();
      throw error;
    }
  }

  private connect() {
    const broker = this.createBroker();
    this.respondedAtMs = performance.now();
    return { broker, connected: broker.connect() };
  }

  private createBroker(): Broker {
    const { clientId, logger, security } = this.options;
    const connectionPool = new ConnectionPool({
      host: this.node.host,
      port: this.node.port,
      clientId,
      logger,
      ...security,
      socketFactory: socketFactory(RESPONSE_TIMEOUT_MS, JOIN_TIMEOUT_MS),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      // The socket's own timeout comes first. This one covers what the socket cannot see, such as a stalled
      // authentication.
      requestTimeout: 2 * RESPONSE_TIMEOUT_MS,
      enforceRequestTimeout: true,
    });
    return new Broker({ connectionPool, logger, nodeId: this.node.id, allowAutoTopicCreation: false });
  }

  private disconnect(): void {
    const { current } = this;
    this.current = undefined;
    current?.broker.disconnect().catch(() => {});
  }

  /** Rejects new requests and disconnects once the requests in flight have their responses. */
  close(): void {
    this.closed = true;
    this.disconnect();
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
