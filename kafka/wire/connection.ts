/** One connection to one broker, made when first used and thrown away when anything is wrong with it. */
import type { KafkaConfig } from "kafkajs";
import Broker from "kafkajs/src/broker/index.js";
import ConnectionPool from "kafkajs/src/network/connectionPool.js";
import type { Protocol } from "kafkajs/src/protocol/requests/index.js";
import { errorAction } from "./broker-errors.ts";
import "./encoder-patch.ts";
import { protocolOf, type Requests, type RootLogger } from "./protocol.ts";
import "./timer-patch.ts";
import { RESPONSE_TIMEOUT, socketFactory } from "./socket.ts";

/** Where a broker listens, as the cluster's metadata says. */
export interface Node {
  /** The broker's id; -1 for an address from the settings whose id is not known yet. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

export interface ConnectionOptions {
  readonly clientId: string;
  readonly logger: RootLogger;
  readonly security: Pick<KafkaConfig, "ssl" | "sasl">;
  /** When a connection to an address last fell silent, by `performance.now()`. Shared by all wires of a process. */
  readonly timedOutAtMs: Map<string, number>;
}

/** Longest time without a byte while an answer is due; then the connection is given up and its requests fail. */
export const RESPONSE_TIMEOUT_MS = 5_000;
const JOIN_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 2_000;

export class Connection {
  private current: { readonly broker: Broker; readonly connected: Promise<void> } | undefined;
  private closed = false;
  private respondedAtMs = 0;

  constructor(
    readonly node: Node,
    readonly options: ConnectionOptions,
  ) {}

  /**
   * Sends a request of the table in protocol.ts and waits for its answer.
   *
   * @throws a connection error when the answer is lost: the broker may have carried the request out all the same.
   */
  request<Name extends keyof Requests>(name: Name, args: Requests[Name]["args"]): Promise<Requests[Name]["answer"]> {
    return this.use((broker) => broker.connectionPool.send(protocolOf(name, args, broker.lookupRequest)));
  }

  /** Sends a request that brings its own codec; throws like `request`. */
  send<Answer>(protocol: Protocol<Answer>): Promise<Answer> {
    return this.use((broker) => broker.connectionPool.send(protocol));
  }

  private async use<Answer>(ask: (broker: Broker) => Promise<Answer>): Promise<Answer> {
    if (this.closed) throw new Error(`the connection to broker ${this.node.id} is closed`);
    const { timedOutAtMs } = this.options;
    const address = `${this.node.host}:${this.node.port}`;
    // Where one connection fell silent, those that were idle are mostly dead too, and each would be found out anew.
    if ((timedOutAtMs.get(address) ?? -1) > this.respondedAtMs) this.disconnect();
    this.current ??= this.connect();
    const held = this.current;
    try {
      // Not only isConnected(): that is true before the broker has told which versions it speaks.
      await held.connected;
      if (!held.broker.isConnected()) await held.broker.connect();
      const answer = await ask(held.broker);
      this.respondedAtMs = performance.now();
      return answer;
    } catch (error) {
      if ((error as { code?: unknown }).code === RESPONSE_TIMEOUT) timedOutAtMs.set(address, performance.now());
      // After a lost connection or answer nothing on it is trusted: a late answer must never be taken for another's.
      if (errorAction(error) === "retry" && this.current === held) this.disconnect();
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
      // The sockets' own watch comes first; this one only ends what it cannot see, such as a stalled authentication.
      requestTimeout: 2 * RESPONSE_TIMEOUT_MS,
      enforceRequestTimeout: true,
    });
    return new Broker({ connectionPool, logger, nodeId: this.node.id, allowAutoTopicCreation: false });
  }

  private disconnect(): void {
    const held = this.current;
    this.current = undefined;
    held?.broker.disconnect().catch(() => {});
  }

  /** Ends the connection once the requests under way are answered. */
  close(): void {
    this.closed = true;
    this.disconnect();
  }
}
