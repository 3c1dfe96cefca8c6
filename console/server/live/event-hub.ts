/**
 * One stream of server-sent events for all who look (WHATWG HTML, section 9.2).
 *
 * Events that tell what happened are numbered and kept in a ring: a client that brings the number of the last one it saw
 * (`Last-Event-ID`) gets what it missed, or begins anew with `hello` when that is no longer kept. Snapshots are not numbered: only
 * the newest counts. Clients are few and each one's backlog is bounded (P14): one that does not read is dropped, and comes back.
 */
import { Ring } from "./replay-buffer.ts";

const MOST_KEPT = 500;
const MOST_CLIENTS = 32;
/** Some seconds of snapshots. */
const MOST_UNREAD = 262_144;
const HEARTBEAT_MS = 5_000;
/** How long a browser waits before it asks again. */
const RETRY_MS = 1_000;

type Controller = ReadableStreamDefaultController<Uint8Array>;
const encoder = new TextEncoder();

/** Told when the first client has come, and when the last one has gone. */
export interface Audience {
  arrived(): void;
  left(): void;
}

export interface HubBounds {
  readonly mostClients: number;
  /** What a client may leave unread beside the connection's own buffers, in bytes. */
  readonly mostUnread: number;
  readonly heartbeatMs: number;
}

const BOUNDS: HubBounds = { mostClients: MOST_CLIENTS, mostUnread: MOST_UNREAD, heartbeatMs: HEARTBEAT_MS };

export class Hub {
  /** Of this process: numbers of another one mean nothing here. */
  private readonly epoch = crypto.randomUUID().slice(0, 8);
  private readonly ring = new Ring(MOST_KEPT);
  private readonly clients = new Set<Controller>();
  private heartbeat: Timer | undefined;
  private closed = false;

  /** @param hello what a client that begins anew must know. */
  constructor(
    private readonly hello: () => unknown,
    private readonly audience: Audience,
    private readonly bounds: HubBounds = BOUNDS,
  ) {}

  get clientCount(): number {
    return this.clients.size;
  }

  /** Tells all something that happened, and remembers it for those who are away for a moment. */
  publish(event: string, data: unknown): void {
    const { number } = this.ring.push(event, data);
    this.send(`id: ${this.epoch}-${number}\n${frame(event, data)}`);
  }

  /** Tells all how things are now; nobody needs to know it later. */
  show(event: string, data: unknown): void {
    this.send(frame(event, data));
  }

  /** @returns undefined when there are too many clients. */
  connect(lastEventId: string | undefined): ReadableStream<Uint8Array> | undefined {
    if (this.closed || this.clients.size >= this.bounds.mostClients) return undefined;
    let own: Controller;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          own = controller;
          controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n${this.greeting(lastEventId)}`));
          this.add(controller);
        },
        cancel: () => this.remove(own),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: this.bounds.mostUnread }),
    );
  }

  close(): void {
    this.closed = true;
    for (const client of this.clients) this.drop(client);
  }

  private greeting(lastEventId: string | undefined): string {
    const [epoch, number] = lastEventId?.split("-") ?? [];
    const missed = epoch === this.epoch ? this.ring.after(Number(number)) : undefined;
    if (!missed) return `id: ${this.epoch}-${this.ring.newest}\n${frame("hello", this.hello())}`;
    return missed.map((one) => `id: ${this.epoch}-${one.number}\n${frame(one.event, one.data)}`).join("");
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
    this.heartbeat = setInterval(() => this.send(": still here\n\n"), this.bounds.heartbeatMs);
    this.audience.arrived();
  }

  private drop(client: Controller): void {
    this.remove(client);
    try {
      client.close();
    } catch {
      // It is gone already.
    }
  }

  private remove(client: Controller): void {
    if (!this.clients.delete(client) || this.clients.size > 0) return;
    clearInterval(this.heartbeat);
    this.audience.left();
  }
}

const frame = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
