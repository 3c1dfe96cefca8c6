/**
 * Sends server-sent events (WHATWG HTML, section 9.2) to all open pages. The number of clients and the backlog of each
 * are bounded (P14): a client that does not read is dropped, and its browser reconnects.
 */
import { ReplayBuffer } from "./replay-buffer.ts";

/** Events that a reconnecting client can get again. */
const MAX_EVENTS = 500;
/** Delay before a browser reconnects. */
const RECONNECT_MS = 1_000;

type Controller = ReadableStreamDefaultController<Uint8Array>;
const encoder = new TextEncoder();

/** Callbacks with which the console works for pages only while one is connected. */
export interface HubEvents {
  /** Called when a client connects and none was connected. */
  onFirstConnected(): void;
  /** Called when the last client has disconnected. */
  onLastDisconnected(): void;
}

/** Limits of the hub. */
export interface HubLimits {
  readonly maxClients: number;
  /** A client with more unread bytes is dropped. The buffers of its connection do not count. */
  readonly maxUnreadBytes: number;
  /** Interval between two heartbeats, in milliseconds. */
  readonly heartbeatMs: number;
}

/** 262,144 bytes hold some seconds of snapshots. */
const DEFAULT_LIMITS: HubLimits = { maxClients: 32, maxUnreadBytes: 262_144, heartbeatMs: 5_000 };

/** One stream of events for all clients. */
export class EventHub {
  /** Part of each event id: the numbers of another process are not valid here. */
  private readonly epoch = crypto.randomUUID().slice(0, 8);
  private readonly events = new ReplayBuffer(MAX_EVENTS);
  private readonly clients = new Set<Controller>();
  private heartbeat: Timer | undefined;
  private closed = false;

  /** @param initialState returns the data of the `hello` event, from which a client starts. */
  constructor(
    private readonly initialState: () => unknown,
    private readonly callbacks: HubEvents,
    private readonly limits: HubLimits = DEFAULT_LIMITS,
  ) {}

  /** Number of connected clients. */
  get clientCount(): number {
    return this.clients.size;
  }

  /** Sends an event with a number, and keeps it for clients that reconnect. */
  publish(event: string, data: unknown): void {
    const { number } = this.events.push(event, data);
    this.send(`id: ${this.epoch}-${number}\n${frame(event, data)}`);
  }

  /** Sends an event without a number. It is not kept: for data of which only the newest counts. */
  broadcast(event: string, data: unknown): void {
    this.send(frame(event, data));
  }

  /**
   * Adds a client.
   *
   * @param lastEventId the header `Last-Event-ID`. The client gets the events after it, or `hello` when one of them was
   * discarded.
   * @returns undefined when the limit of clients is reached, or the hub is closed.
   */
  connect(lastEventId: string | undefined): ReadableStream<Uint8Array> | undefined {
    if (this.closed || this.clients.size >= this.limits.maxClients) return undefined;
    let client: Controller;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          client = controller;
          controller.enqueue(encoder.encode(`retry: ${RECONNECT_MS}\n\n${this.firstFrames(lastEventId)}`));
          this.add(controller);
        },
        cancel: () => this.remove(client),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: this.limits.maxUnreadBytes }),
    );
  }

  /** Disconnects all clients and accepts no more. */
  close(): void {
    this.closed = true;
    for (const client of this.clients) this.drop(client);
  }

  private firstFrames(lastEventId: string | undefined): string {
    const [epoch, number] = lastEventId?.split("-") ?? [];
    const missed = epoch === this.epoch ? this.events.after(Number(number)) : undefined;
    if (!missed) return `id: ${this.epoch}-${this.events.newest}\n${frame("hello", this.initialState())}`;
    return missed.map(({ number, event, data }) => `id: ${this.epoch}-${number}\n${frame(event, data)}`).join("");
  }

  private send(text: string): void {
    if (this.clients.size === 0) return;
    const bytes = encoder.encode(text);
    for (const client of this.clients)
      if ((client.desiredSize ?? 0) <= 0) this.drop(client);
      else client.enqueue(bytes);
  }

  private add(client: Controller): void {
    this.clients.add(client);
    if (this.clients.size > 1) return;
    this.heartbeat = setInterval(() => this.send(": heartbeat\n\n"), this.limits.heartbeatMs);
    this.callbacks.onFirstConnected();
  }

  private drop(client: Controller): void {
    this.remove(client);
    try {
      client.close();
    } catch {
      // The client has closed the stream already.
    }
  }

  private remove(client: Controller): void {
    if (!this.clients.delete(client) || this.clients.size > 0) return;
    clearInterval(this.heartbeat);
    this.callbacks.onLastDisconnected();
  }
}

const frame = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
