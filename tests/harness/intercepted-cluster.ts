/** Connections to a real broker whose requests a test can hold, count, repeat or fail: barriers for races. */

import { ConnectionError } from "../../kafka/wire/broker-errors.ts";
import { Cluster } from "../../kafka/wire/cluster.ts";
import { type Connection, ConnectionOptions, type Node } from "../../kafka/wire/connection.ts";
import { createLogger } from "../../observability/logger.ts";
import { brokerAddress } from "./servers.ts";

/**
 * Called for each request instead of sending it.
 *
 * @param name Kafka's name of the request: `Heartbeat`. `TopicIds` is the request for the identities of topics.
 * @param send sends the request and returns the response.
 */
export type Intercept = (name: string, send: () => Promise<unknown>) => Promise<unknown>;

/** The client's view of a cluster. Metadata requests are not intercepted. */
export class InterceptedCluster extends Cluster {
  private readonly intercepted = new WeakSet<Connection>();
  /** May be replaced at any time. By default requests are sent as they are. */
  intercept: Intercept = (_, send) => send();

  /** Connects to the shared broker of the tests. */
  static async connect(): Promise<InterceptedCluster> {
    const options = new ConnectionOptions({
      clientId: "intercepted",
      logger: createLogger("intercepted", "1", "silent"),
    });
    const cluster = new InterceptedCluster([await brokerAddress()], options);
    await cluster.refresh();
    return cluster;
  }

  override connection(brokerId: number): Connection {
    return this.interceptRequests(super.connection(brokerId));
  }

  override dedicatedConnection(node: Node): Connection {
    return this.interceptRequests(super.dedicatedConnection(node));
  }

  override topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.intercept("TopicIds", () => super.topicIds(topics)) as Promise<ReadonlyMap<string, string>>;
  }

  private interceptRequests(connection: Connection): Connection {
    if (this.intercepted.has(connection)) return connection;
    this.intercepted.add(connection);
    const request = connection.request.bind(connection);
    const send = connection.send.bind(connection);
    connection.request = ((name, body) => this.intercept(name, () => request(name, body))) as typeof request;
    connection.send = ((protocol) => this.intercept(protocol.request.apiName, () => send(protocol))) as typeof send;
    return connection;
  }
}

/** The error of a request whose response is lost: the broker may have executed it. */
export function lostResponse(): Error {
  return new ConnectionError("the connection was closed");
}

/** A point that one side reaches and waits at until the other side releases it. */
export class Barrier {
  private readonly arriving = Promise.withResolvers<void>();
  private readonly releasing = Promise.withResolvers<void>();
  /** Resolves when {@link wait} is called for the first time. */
  readonly reached = this.arriving.promise;

  /** Waits until {@link release}. */
  async wait(): Promise<void> {
    this.arriving.resolve();
    await this.releasing.promise;
  }

  /** Lets all waiters continue, also later ones. */
  release(): void {
    this.releasing.resolve();
  }
}
