/** Writers and readers that act as clients and record the responses. */
import { eventually } from "./eventually.ts";

/** State of one product as the responses report it. */
export interface AcknowledgedState {
  /** Newest version that a response contained. */
  version: number;
  /** Version of the acknowledged delete, if there was one. */
  deletedAt?: number;
}

const timeOfDay = (): string => new Date().toISOString().slice(11, 23);

/** Sends open-loop writes at a fixed rate: 50 % creates, 40 % changes, 10 % deletes. At most 200 are in flight. */
export class Writers {
  /** By product id. */
  readonly acknowledged = new Map<string, AcknowledgedState>();
  /** Number of responses other than 2xx, by status. */
  readonly rejected = new Map<number, number>();
  /** Milliseconds from request to response. */
  readonly ackMs: number[] = [];
  /** Number of 2xx responses. */
  acks = 0;
  /** Number of requests without response: they may or may not be committed. */
  unknown = 0;
  /** Rejected and unanswered requests, each with its time. */
  readonly problems: string[] = [];
  private readonly alive: string[] = [];
  private inFlight = 0;
  private timer: Timer | undefined;

  constructor(
    private readonly gateway: string,
    private readonly perSecond: number,
    /** Request bodies that create and change a product. */
    private readonly bodies: { created: () => unknown; changed: () => unknown } = {
      created: newProduct,
      changed: productChange,
    },
  ) {}

  /** Starts sending. */
  start(): this {
    const startedAt = performance.now();
    let sent = 0;
    this.timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * this.perSecond);
      for (; sent < due; sent++) if (this.inFlight < 200) void this.sendOne();
    }, 5);
    return this;
  }

  /** Stops sending and waits for the requests in flight. @throws {Error} when one is unanswered after 30 s. */
  async stop(): Promise<this> {
    clearInterval(this.timer);
    await eventually(() => this.inFlight === 0, { timeoutMs: 30_000, what: "the writes in flight to be answered" });
    return this;
  }

  /** Ids of acknowledged products, the newest last. */
  ids(): readonly string[] {
    return [...this.acknowledged.keys()];
  }

  private async sendOne(): Promise<void> {
    this.inFlight++;
    const start = performance.now();
    try {
      const random = Math.random();
      const id = random < 0.5 ? undefined : this.pick(random >= 0.9);
      const response = !id
        ? await this.send("POST", "/products", this.bodies.created())
        : random < 0.9
          ? await this.send("PATCH", `/products/${id}`, this.bodies.changed())
          : await this.send("DELETE", `/products/${id}`);
      await this.recordResponse(response, id, id !== undefined && random >= 0.9);
      this.ackMs.push(performance.now() - start);
    } catch (error) {
      this.unknown++;
      this.problems.push(`${timeOfDay()} a write got no response: ${error}`);
    } finally {
      this.inFlight--;
    }
  }

  private pick(remove: boolean): string | undefined {
    if (this.alive.length === 0) return undefined;
    const i = Math.floor(Math.random() * this.alive.length);
    const id = this.alive[i];
    if (remove) this.alive.splice(i, 1);
    return id;
  }

  private send(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(`${this.gateway}${path}`, {
      method,
      signal: AbortSignal.timeout(15_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  }

  private async recordResponse(response: Response, id: string | undefined, deleted: boolean): Promise<void> {
    const body = await response.text();
    if (!response.ok) {
      this.rejected.set(response.status, (this.rejected.get(response.status) ?? 0) + 1);
      if (response.status !== 404) this.problems.push(`${timeOfDay()} ${response.status} ${body}`);
      return;
    }
    this.acks++;
    const version = Number(response.headers.get("etag")?.replaceAll('"', ""));
    const key = id ?? (JSON.parse(body) as { id: string }).id;
    const known = this.acknowledged.get(key) ?? { version: 0 };
    known.version = Math.max(known.version, version);
    if (deleted) known.deletedAt = version;
    this.acknowledged.set(key, known);
    if (!id) this.alive.push(key);
  }
}

const statuses = ["active", "active", "active", "draft", "archived"];
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;

/** Returns the body of a new product, about 300 bytes as JSON. */
export const newProduct = (overrides: Record<string, unknown> = {}) => ({
  sku: `sku-${Bun.randomUUIDv7()}`,
  name: "Café especial em grãos",
  description: "x".repeat(80),
  price: "19.90",
  currency: "BRL",
  cost: "7.10",
  stock: Math.floor(Math.random() * 100),
  status: pick(statuses),
  tags: ["coffee", "beans"],
  ...overrides,
});

const productChange = () => ({ stock: Math.floor(Math.random() * 100), status: pick(statuses) });

type ReadDocument = Record<string, unknown> & { readonly id: string; readonly version: number };

/** A read that breaks a promise. */
export interface Violation {
  readonly replica: string;
  readonly id: string;
  readonly what: string;
}

/**
 * Reads one replica continuously, by id (cache) and as lists (PostgreSQL), and compares each response with earlier ones:
 * a version never decreases, and a deleted product reappears only with a newer version (P3, P4, P7).
 */
export class Reader {
  readonly violations: Violation[] = [];
  /** Number of reads by the result in `Cache-Status`. */
  readonly cacheStatus = new Map<string, number>();
  reads = 0;
  unanswered = 0;
  /** Failed reads, each with its time. */
  readonly problems: string[] = [];
  private readonly lastSeen = new Map<string, { version: number; gone: boolean }>();
  private running = true;
  private readonly done: Promise<void>;

  constructor(
    private readonly replica: string,
    private readonly url: string,
    private readonly ids: () => readonly string[],
    /** Returns what is wrong with a document, or undefined. */
    private readonly validate: (document: Record<string, unknown>) => string | undefined = () => undefined,
  ) {
    this.done = this.loop();
  }

  /** Stops reading and waits for the read in flight. */
  async stop(): Promise<void> {
    this.running = false;
    await this.done;
  }

  private async loop(): Promise<void> {
    while (this.running) {
      try {
        if (Math.random() < 0.05) await this.readList();
        else await this.readOne();
      } catch (error) {
        this.unanswered++;
        this.problems.push(`${timeOfDay()} ${this.replica} did not answer: ${error}`);
        await Bun.sleep(50);
      }
      await Bun.sleep(1);
    }
  }

  private async readOne(): Promise<void> {
    const ids = this.ids();
    if (ids.length === 0) return;
    // Half of the reads select one of the 50 newest products, where a stale read is most likely.
    const from = Math.random() < 0.5 ? Math.max(0, ids.length - 50) : 0;
    const id = ids[from + Math.floor(Math.random() * (ids.length - from))]!;
    const response = await fetch(`${this.url}/products/${id}`, { signal: AbortSignal.timeout(15_000) });
    const body = await response.text();
    const cache = (response.headers.get("cache-status") ?? "none").split(";")[1]?.trim() ?? "none";
    this.cacheStatus.set(cache, (this.cacheStatus.get(cache) ?? 0) + 1);
    if (response.status === 200) this.recordDocument(JSON.parse(body) as ReadDocument, "by id");
    else if (response.status === 404) this.recordMissing(id);
    else {
      this.unanswered++;
      this.problems.push(`${timeOfDay()} ${this.replica}: ${response.status} ${body}`);
    }
    this.reads++;
  }

  private async readList(): Promise<void> {
    const response = await fetch(`${this.url}/products?limit=100`, { signal: AbortSignal.timeout(15_000) });
    if (!response.ok) {
      this.unanswered++;
      this.problems.push(`${timeOfDay()} ${this.replica}, list: ${response.status}`);
      return;
    }
    const { items } = (await response.json()) as { items: ReadDocument[] };
    for (const item of items) this.recordDocument(item, "in a list");
    this.reads++;
  }

  private recordDocument(document: ReadDocument, where: string): void {
    const { id, version } = document;
    const wrong = this.validate(document);
    if (wrong) this.report(id, `version ${version} ${where}: ${wrong}`);
    const before = this.lastSeen.get(id);
    if (before && version < before.version) this.report(id, `version ${version} ${where} after ${before.version}`);
    if (before?.gone && version <= before.version) this.report(id, `version ${version} ${where} after it was gone`);
    this.lastSeen.set(id, { version: Math.max(version, before?.version ?? 0), gone: false });
  }

  private recordMissing(id: string): void {
    const before = this.lastSeen.get(id);
    if (before) before.gone = true;
  }

  private report(id: string, what: string): void {
    this.violations.push({ replica: this.replica, id, what });
  }
}
