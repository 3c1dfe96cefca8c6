/**
 * Sends writes at a fixed rate, whatever the answers do (open loop): a slow answer delays no later write, and each latency
 * counts from when the write was due, so a stall shows in all that it held up. A process of its own: what it costs is not
 * the stack's, and its timers wait for nobody. Started by generator-process.ts.
 */
import { HttpConnections } from "./http-connections.ts";
import { Mix, randomFrom, type Write } from "./mix.ts";
import { entity, productBody } from "./product.ts";
import { isDatabase, SqlWrites, type Writes } from "./sql-writes.ts";

export interface GeneratorOptions {
  /** URL of a gateway, or of a database to write to straight. */
  readonly gateway: string;
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Sent before at the same rate, and not measured. */
  readonly warmUpSeconds: number;
  readonly seed: number;
  /** Starts each key, so that no two runs collide. */
  readonly run: string;
  /** How many of the measured upserts are named to the parent, per second. */
  readonly samplesPerSecond: number;
}

/** An acknowledged write that nobody changes any more. */
export interface Sample {
  readonly id: string;
  readonly version: number;
  /** Replicas whose filter the entity satisfies. */
  readonly replicas: readonly string[];
}

export interface GeneratorResult {
  readonly sent: number;
  readonly acknowledged: number;
  /** Answers other than 2xx by status, and requests without an answer under `none`. */
  readonly failed: Readonly<Record<string, number>>;
  /** Milliseconds from when a write was due to its answer. */
  readonly ackMs: readonly number[];
  /** Milliseconds from when a write was due to when it was sent: what the generator itself was late. */
  readonly lateMs: readonly number[];
  readonly mostUnderWay: number;
  /** Of the generator's own process, while it measured. */
  readonly cpuSeconds: number;
}

export type Message =
  | { readonly type: "measuring"; readonly atMs: number }
  | { readonly type: "sample"; readonly sample: Sample }
  | { readonly type: "done"; readonly atMs: number; readonly result: GeneratorResult };

/** Milliseconds since 1970, with fractions. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

/** When write number `index` is due, in milliseconds after the first. */
export const dueMs = (index: number, ratePerSecond: number): number => (index * 1_000) / ratePerSecond;

/** How long answers may take after the last write was sent. */
const LAST_ANSWERS_MS = 30_000;

interface Item {
  readonly sku: string;
  readonly id: string;
}

export class Generator {
  private readonly random;
  private readonly mix;
  private readonly writes: Writes;
  private readonly failed: Record<string, number> = {};
  private readonly ackMs: number[] = [];
  private readonly lateMs: number[] = [];
  private sent = 0;
  private acknowledged = 0;
  private underWay = 0;
  private mostUnderWay = 0;
  private inserted = 0;
  private samplesDue = 0;

  constructor(
    private readonly options: GeneratorOptions,
    private readonly tell: (message: Message) => void,
    /** For the gateway; not an option, since options are on the command line, which everybody on the machine can read. */
    token?: string,
  ) {
    this.random = randomFrom(options.seed);
    this.mix = new Mix<Item>(this.random);
    this.writes = isDatabase(options.gateway)
      ? new SqlWrites(options.gateway)
      : new HttpConnections(options.gateway, token);
  }

  /** Resolves when the last write was answered, or given up on. */
  async run(): Promise<void> {
    const { ratePerSecond, seconds, warmUpSeconds } = this.options;
    const warmUp = Math.round(ratePerSecond * warmUpSeconds);
    await this.send(warmUp, false);
    this.tell({ type: "measuring", atMs: nowMs() });
    const cpu = process.cpuUsage();
    await this.send(Math.round(ratePerSecond * seconds), true);
    const { user, system } = process.cpuUsage(cpu);
    const giveUp = performance.now() + LAST_ANSWERS_MS;
    while (this.underWay > 0 && performance.now() < giveUp) await Bun.sleep(5);
    if (this.underWay > 0) this.failed.none = (this.failed.none ?? 0) + this.underWay;
    this.writes.close();
    const { sent, acknowledged, failed, ackMs, lateMs, mostUnderWay } = this;
    const cpuSeconds = (user + system) / 1e6;
    const result = { sent, acknowledged, failed, ackMs, lateMs, mostUnderWay, cpuSeconds };
    this.tell({ type: "done", atMs: nowMs(), result });
  }

  /** Sends `count` writes, each when it is due. */
  private send(count: number, measured: boolean): Promise<void> {
    const begun = performance.now();
    let next = 0;
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        const elapsed = performance.now() - begun;
        for (; next < count; next++) {
          const due = dueMs(next, this.options.ratePerSecond);
          if (due > elapsed) return;
          void this.one(begun + due, measured);
        }
        clearInterval(timer);
        resolve();
      }, 1);
    });
  }

  private async one(due: number, measured: boolean): Promise<void> {
    if (measured) {
      this.sent++;
      this.lateMs.push(performance.now() - due);
      this.samplesDue += this.options.samplesPerSecond / this.options.ratePerSecond;
    }
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    const write = this.mix.next();
    const sku = write.kind === "insert" ? `${this.options.run}-${this.inserted++}` : write.item.sku;
    try {
      const { status, etag, body } = await this.request(write, sku);
      if (status >= 300) {
        if (measured) this.failed[status] = (this.failed[status] ?? 0) + 1;
        // The item of a refused write is left alone from now on.
        return;
      }
      if (measured) {
        this.acknowledged++;
        this.ackMs.push(performance.now() - due);
      }
      if (write.kind !== "delete") this.keep(sku, Number(etag), body, measured);
    } catch {
      if (measured) this.failed.none = (this.failed.none ?? 0) + 1;
    } finally {
      this.underWay--;
    }
  }

  private request(write: Write<Item>, sku: string) {
    const collection = `/${entity.plural}`;
    if (write.kind === "insert") return this.writes.ask("POST", collection, productBody(sku, this.random));
    const path = `${collection}/${write.item.id}`;
    return write.kind === "update"
      ? this.writes.ask("PUT", path, productBody(sku, this.random))
      : this.writes.ask("DELETE", path);
  }

  /** Names the item to the parent and leaves it alone from now on, or has it changed again later. */
  private keep(sku: string, version: number, body: string, measured: boolean): void {
    const document = JSON.parse(body) as Record<string, unknown>;
    const id = String(document.id);
    if (!measured || this.samplesDue < 1) {
      this.mix.put({ sku, id });
      return;
    }
    this.samplesDue--;
    const replicas = entity.replicas.filter((replica) => replica.filter(document)).map(({ name }) => name);
    this.tell({ type: "sample", sample: { id, version, replicas } });
  }
}
