/**
 * A TCP proxy that simulates network faults. A link is a client's connection to the proxy, with the proxy's connection
 * to the server.
 *
 * States of a link:
 * - open: data and ends of connections pass, after the delay. Left by `freeze`, `silence`, an end or a reset.
 * - cut: in the cut directions neither data nor the end of a connection passes, so that one side does not notice that
 *   the other has gone. `heal` opens the link again, or resets it when something was lost.
 * - closed: both connections have ended.
 */
import net from "node:net";
import { sleep } from "../../platform/async/sleep.ts";
import type { Connection, Direction } from "../system.ts";

/** What a {@link Filter} can see and do of its link. */
export interface FilteredLink {
  isClientClosed(): boolean;
  /** Closes both connections. */
  close(): void;
}

/** Decides on the data of one link. */
export interface Filter {
  /** @param forward sends data on in this direction, now or later. */
  onData(direction: Direction, data: Buffer, forward: (data: Buffer) => void): void;
  /** True: the link to the server stays open after the client has closed, because data will follow. */
  isHolding(): boolean;
}

/** How to start a proxy. */
export interface ProxyOptions {
  /** Name of the connection: `gateway → gateway-db`. */
  readonly name: string;
  /** Port of the server, on 127.0.0.1. */
  readonly targetPort: number;
  /** Default: all data passes. */
  readonly createFilter?: (link: FilteredLink) => Filter;
}

/** A running proxy. */
export interface FaultProxy extends Connection {
  /** Port of 127.0.0.1 that clients connect to. */
  readonly port: number;
  /** Number of connections that clients have open. */
  openCount(): number;
  /** Resets all connections and stops listening. */
  close(): Promise<void>;
}

interface State {
  readonly silent: Set<Direction>;
  delayMs: number;
  isRefusing: boolean;
}

/** Starts a proxy on a free port. @throws {Error} when it cannot listen. */
export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const state: State = { silent: new Set(), delayMs: 0, isRefusing: false };
  const links = new Set<Link>();
  const reset = () => {
    for (const link of links) link.reset();
  };
  const server = net.createServer((client) => {
    if (state.isRefusing) return void client.resetAndDestroy();
    const link: Link = new Link(client, options, state, () => links.delete(link));
    links.add(link);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    name: options.name,
    port: (server.address() as net.AddressInfo).port,
    openCount: () => links.size,
    delay(ms) {
      state.delayMs = ms;
    },
    reset,
    refuse() {
      state.isRefusing = true;
      reset();
    },
    silence(...directions) {
      for (const direction of directions) state.silent.add(direction);
    },
    freeze() {
      for (const link of links) link.isFrozen = true;
    },
    heal() {
      state.silent.clear();
      state.delayMs = 0;
      state.isRefusing = false;
      for (const link of links) link.heal();
    },
    async close() {
      reset();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

class Link {
  private readonly server: net.Socket;
  private readonly filter: Filter | undefined;
  /** Data that waits for its delay, by direction. It keeps its order when the delay changes. */
  private readonly delayed = { request: new DelayQueue(), response: new DelayQueue() };
  private hasLost = false;
  isFrozen = false;

  constructor(
    private readonly client: net.Socket,
    { targetPort, createFilter }: ProxyOptions,
    private readonly state: State,
    private readonly onClosed: () => void,
  ) {
    this.server = net.connect({ host: "127.0.0.1", port: targetPort });
    this.filter = createFilter?.({ isClientClosed: () => client.destroyed, close: () => this.close() });
    this.pass("request", client, this.server);
    this.pass("response", this.server, client);
  }

  /** Ends both connections with RST. */
  reset(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
    this.onClosed();
  }

  heal(): void {
    this.isFrozen = false;
    if (this.hasLost) this.reset();
  }

  private close(): void {
    this.client.destroy();
    this.server.destroy();
    this.onClosed();
  }

  private pass(direction: Direction, from: net.Socket, to: net.Socket): void {
    const forward = (data: Buffer) => this.delayed[direction].run(this.state.delayMs, () => to.write(data));
    from.on("data", (data: Buffer) => {
      if (this.isCut(direction)) this.hasLost = true;
      else if (this.filter) this.filter.onData(direction, data, forward);
      else forward(data);
    });
    from.on("error", () => {}); // "close" follows
    from.on("close", (hadError) => {
      const end = () => (hadError ? this.reset() : to.end(() => this.close()));
      if (this.isCut(direction)) this.hasLost = true;
      else if (direction === "response" || !this.filter?.isHolding())
        this.delayed[direction].run(this.state.delayMs, end);
    });
  }

  private isCut(direction: Direction): boolean {
    return this.isFrozen || this.state.silent.has(direction);
  }
}

/** Runs actions after a delay, in their order. */
class DelayQueue {
  private last: Promise<void> | undefined;

  run(delayMs: number, action: () => void): void {
    if (delayMs === 0 && !this.last) {
      action();
      return;
    }
    const due = sleep(delayMs);
    const last: Promise<void> = (this.last ?? due)
      .then(() => due)
      .then(() => {
        action();
        if (this.last === last) this.last = undefined;
      });
    this.last = last;
  }
}
