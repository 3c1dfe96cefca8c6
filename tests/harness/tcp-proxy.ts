/**
 * A TCP proxy in front of a Kafka broker that simulates network faults. It forwards whole messages, so that a fault can
 * select one: lose the response to a produce request, delay a request, or stop forwarding.
 */
import net from "node:net";

/** API keys of Kafka's requests. @see https://kafka.apache.org/protocol#protocol_api_keys */
export const api = {
  produce: 0,
  fetch: 1,
  metadata: 3,
  addPartitionsToTxn: 24,
  endTxn: 26,
  initProducerId: 22,
} as const;

/**
 * What happens to a message. `drop`: it is lost. `reset`: it is lost and the connection closes, as when a broker crashes.
 * `hold`: it is forwarded on release, even if the client has disconnected by then.
 */
export type Action = "drop" | "reset" | "hold";

/** Handle of a fault. */
export interface Fault {
  /** Returns how many messages it has affected. */
  readonly count: () => number;
  /** Forwards all held messages. */
  readonly release: () => void;
  /** Drops all held messages and closes their connections. */
  readonly discard: () => void;
  /** Ends the fault: further messages are not affected. */
  readonly end: () => void;
}

type Direction = "request" | "response";

interface Rule {
  readonly on: Direction;
  readonly api: number;
  readonly action: Action;
  readonly held: { readonly link: Link; readonly forward: () => void }[];
  remaining: number;
  count: number;
}

/** Controls of the proxy. */
export interface TcpProxy {
  readonly port: number;
  /** Applies an action to the next `times` messages of one kind; without `times`, to all until the fault ends. */
  fault(what: { on: Direction; api: number; action: Action; times?: number }): Fault;
  /** Stops forwarding in the given directions. Connections stay open, new ones are accepted but get no data. */
  silence(...directions: readonly Direction[]): void;
  /** Makes all existing connections half-open for good, as when the peer's machine fails. New ones work. */
  freeze(): void;
  /** Delays each message by `ms`. */
  delay(ms: number): void;
  /** True: closes all connections, and each new one until called with false. */
  refuse(on: boolean): void;
  /** Ends every fault. Closes connections that were silenced, because they have lost data. */
  heal(): void;
  close(): Promise<void>;
}

interface State {
  readonly rules: Rule[];
  readonly silent: Set<Direction>;
  delayMs: number;
  isRefusing: boolean;
}

/** Starts a proxy on a free port that forwards to `targetPort` of 127.0.0.1. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const state: State = { rules: [], silent: new Set(), delayMs: 0, isRefusing: false };
  const links = new Set<Link>();
  const breakAll = () => {
    for (const link of links) link.break();
  };
  const server = net.createServer((client) => {
    if (state.isRefusing) return void client.destroy();
    const link = new Link(client, targetPort, state, () => links.delete(link));
    links.add(link);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as net.AddressInfo).port,
    fault({ on, api, action, times = Number.POSITIVE_INFINITY }) {
      const rule: Rule = { on, api, action, held: [], remaining: times, count: 0 };
      state.rules.push(rule);
      return {
        count: () => rule.count,
        release: () => {
          for (const { forward } of rule.held.splice(0)) forward();
        },
        discard: () => {
          for (const { link } of rule.held.splice(0)) link.break();
        },
        end: () => {
          rule.remaining = 0;
        },
      };
    },
    silence(...directions) {
      for (const direction of directions) state.silent.add(direction);
    },
    freeze() {
      for (const link of links) link.frozen = true;
    },
    delay(ms) {
      state.delayMs = ms;
    },
    refuse(on) {
      state.isRefusing = on;
      if (on) breakAll();
    },
    heal() {
      for (const rule of state.rules.splice(0)) for (const { forward } of rule.held.splice(0)) forward();
      if (state.silent.size > 0) breakAll();
      state.silent.clear();
      state.delayMs = 0;
      state.isRefusing = false;
    },
    async close() {
      breakAll();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A client's connection to the proxy, and the proxy's connection to the broker. */
class Link {
  private readonly broker: net.Socket;
  /** API key of each request in flight by correlation id, since a response does not contain it. */
  private readonly apis = new Map<number, number>();
  private queue: Promise<void> = Promise.resolve();
  private heldCount = 0;
  frozen = false;

  constructor(
    readonly client: net.Socket,
    targetPort: number,
    readonly state: State,
    readonly onEnd: () => void,
  ) {
    this.broker = net.connect({ host: "127.0.0.1", port: targetPort });
    const requests = new Frames();
    const answers = new Frames();
    client.on("data", (chunk: Buffer) => {
      for (const frame of requests.add(chunk)) this.onRequest(frame);
    });
    this.broker.on("data", (chunk: Buffer) => {
      for (const frame of answers.add(chunk)) this.onResponse(frame);
    });
    client.on("error", () => {});
    this.broker.on("error", () => {});
    client.on("close", () => this.onClientClose());
    // A client behind a silenced network must not notice that the broker has closed.
    this.broker.on("close", () => this.state.silent.size === 0 && this.break());
  }

  break(): void {
    this.client.destroy();
    this.broker.destroy();
    this.onEnd();
  }

  private onClientClose(): void {
    if (this.heldCount === 0) this.break();
  }

  private onRequest(frame: Buffer): void {
    const key = frame.readInt16BE(4);
    this.apis.set(frame.readInt32BE(8), key);
    this.applyRules("request", key, () => this.broker.write(frame));
  }

  private onResponse(frame: Buffer): void {
    const id = frame.readInt32BE(4);
    const key = this.apis.get(id) ?? -1;
    this.apis.delete(id);
    this.applyRules("response", key, () => this.client.write(frame));
  }

  private applyRules(direction: Direction, key: number, forward: () => void): void {
    if (this.frozen || this.state.silent.has(direction)) return;
    const rule = this.state.rules.find((r) => r.on === direction && r.api === key && r.remaining > 0);
    if (!rule) {
      this.forwardDelayed(forward);
      return;
    }
    rule.remaining--;
    rule.count++;
    if (rule.action === "reset") this.break();
    if (rule.action !== "hold") return;
    this.heldCount++;
    rule.held.push({
      link: this,
      forward: () => {
        this.heldCount--;
        forward();
        if (this.client.destroyed) setTimeout(() => this.break(), 1_000);
      },
    });
  }

  private forwardDelayed(forward: () => void): void {
    if (this.state.delayMs === 0) forward();
    else {
      const due = new Promise((resolve) => setTimeout(resolve, this.state.delayMs));
      this.queue = this.queue.then(() => due).then(forward);
    }
  }
}

/** Splits a stream into messages: a length of four bytes, then as many bytes. */
class Frames {
  private rest: Buffer = Buffer.alloc(0);

  add(chunk: Buffer): Buffer[] {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const frames: Buffer[] = [];
    while (this.rest.length >= 4) {
      const end = 4 + this.rest.readInt32BE(0);
      if (this.rest.length < end) break;
      frames.push(this.rest.subarray(0, end));
      this.rest = this.rest.subarray(end);
    }
    return frames;
  }
}
