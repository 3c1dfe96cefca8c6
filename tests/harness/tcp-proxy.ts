/**
 * A TCP proxy in front of a Kafka broker that simulates network faults. It forwards whole messages, so that a fault can
 * select one: lose the response to a produce request, delay a request, or stop forwarding.
 */
import {
  type FaultProxy,
  type Filter,
  type FilteredLink,
  startProxy as startTcpProxy,
} from "../../chaos/network/proxy.ts";
import type { Direction } from "../../chaos/system.ts";

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

interface Rule {
  readonly on: Direction;
  readonly api: number;
  readonly action: Action;
  readonly held: { readonly link: FilteredLink; readonly forward: () => void }[];
  remaining: number;
  count: number;
}

/** Controls of the proxy. */
export interface TcpProxy extends FaultProxy {
  /** Applies an action to the next `times` messages of one kind; without `times`, to all until the fault ends. */
  fault(what: { on: Direction; api: number; action: Action; times?: number }): Fault;
}

/** Starts a proxy on a free port that forwards to `targetPort` of 127.0.0.1. `heal` also forwards all held messages. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const rules: Rule[] = [];
  const createFilter = (link: FilteredLink) => new MessageFilter(link, rules);
  const proxy = await startTcpProxy({ name: "client → broker", targetPort, createFilter });
  return {
    ...proxy,
    fault({ on, api, action, times = Number.POSITIVE_INFINITY }) {
      const rule: Rule = { on, api, action, held: [], remaining: times, count: 0 };
      rules.push(rule);
      return {
        count: () => rule.count,
        release: () => {
          for (const { forward } of rule.held.splice(0)) forward();
        },
        discard: () => {
          for (const { link } of rule.held.splice(0)) link.close();
        },
        end: () => {
          rule.remaining = 0;
        },
      };
    },
    heal() {
      for (const rule of rules.splice(0)) for (const { forward } of rule.held.splice(0)) forward();
      proxy.heal();
    },
  };
}

/** Applies rules to Kafka's messages. */
class MessageFilter implements Filter {
  /** API key of each request in flight by correlation id, since a response does not contain it. */
  private readonly apis = new Map<number, number>();
  private readonly messages = { request: new Frames(), response: new Frames() };
  private heldCount = 0;

  constructor(
    private readonly link: FilteredLink,
    private readonly rules: readonly Rule[],
  ) {}

  isHolding(): boolean {
    return this.heldCount > 0;
  }

  onData(direction: Direction, data: Buffer, forward: (data: Buffer) => void): void {
    for (const message of this.messages[direction].add(data))
      this.applyRules(direction, this.apiOf(direction, message), () => forward(message));
  }

  private apiOf(direction: Direction, message: Buffer): number {
    if (direction === "request") {
      const key = message.readInt16BE(4);
      this.apis.set(message.readInt32BE(8), key);
      return key;
    }
    const id = message.readInt32BE(4);
    const key = this.apis.get(id) ?? -1;
    this.apis.delete(id);
    return key;
  }

  private applyRules(direction: Direction, key: number, forward: () => void): void {
    const rule = this.rules.find((r) => r.on === direction && r.api === key && r.remaining > 0);
    if (!rule) {
      forward();
      return;
    }
    rule.remaining--;
    rule.count++;
    if (rule.action === "reset") this.link.close();
    if (rule.action !== "hold") return;
    this.heldCount++;
    rule.held.push({
      link: this.link,
      forward: () => {
        this.heldCount--;
        forward();
        if (this.link.isClientClosed()) setTimeout(() => this.link.close(), 1_000);
      },
    });
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
