/**
 * Sends writes. At a fixed rate it is independent of the responses (open loop): a slow response delays no later write,
 * and each latency counts from when the write was due, so a stall counts for every write that it delayed. Or a number
 * of clients send one write after the other, each when the response to the one before has arrived (closed loop). The
 * generator runs in its own process (generator-process.ts): its CPU time is not the stack's, and the measurement does
 * not delay its timers.
 */
import { keyOf } from "../../contracts/entity/key.ts";
import { sleep } from "../../platform/async/sleep.ts";
import { randomFrom } from "../workload/random.ts";
import type { Workload } from "../workload/workload.ts";
import { HttpConnections } from "./http-connections.ts";
import { type NextWrite, WriteMix } from "./mix.ts";
import { isDatabase, SqlWrites, type WriteClient } from "./sql-writes.ts";

/** Writes at a fixed rate. */
export interface RateLoad {
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Writes at the same rate before the measurement. */
  readonly warmUpSeconds: number;
}

/** Writes by clients that wait for each answer. */
export interface ClientsLoad {
  readonly clients: number;
  /** Writes of all clients together. */
  readonly writes: number;
}

/** What the generator sends, and where. */
export interface GeneratorOptions {
  /** URL of a gateway, or of a database to write to directly. */
  readonly gateway: string;
  readonly load: RateLoad | ClientsLoad;
  readonly seed: number;
  /** Prefix of each key, so that two runs use different keys. */
  readonly run: string;
  /** Number of measured upserts per second that are reported to the parent as samples. Only at a fixed rate. */
  readonly samplesPerSecond: number;
}

/** An acknowledged write of an entity that no later write changes. */
export interface Sample {
  readonly id: string;
  readonly version: number;
  /** Replicas whose filter matches the entity. */
  readonly replicas: readonly string[];
}

/** Figures of the measured writes. */
export interface GeneratorResult {
  readonly sent: number;
  readonly acknowledged: number;
  /** Number of responses other than 2xx by status; requests without a response under `none`. */
  readonly failed: Readonly<Record<string, number>>;
  /** Milliseconds from when each write was due to its response. With clients a write is due when it is sent. */
  readonly ackMs: readonly number[];
  /** Milliseconds from when each write was due to when it was sent. */
  readonly sendDelayMs: readonly number[];
  /** Largest number of requests in flight. */
  readonly maxInFlight: number;
  /** CPU time of the generator's process during the measurement. */
  readonly cpuSeconds: number;
}

/** What the generator reports to its parent. `atMs` is in milliseconds since 1970. */
export type GeneratorMessage =
  | { readonly type: "measuring"; readonly atMs: number }
  | { readonly type: "sample"; readonly sample: Sample }
  | { readonly type: "done"; readonly atMs: number; readonly result: GeneratorResult };

/** Milliseconds since 1970, with fractions. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

/** When write number `index` is due, in milliseconds after the first one. @param index from 0. */
export const dueMs = (index: number, ratePerSecond: number): number => (index * 1_000) / ratePerSecond;

/** Longest wait for responses after the last write was sent. */
const LAST_RESPONSES_MS = 30_000;

interface Item {
  readonly unique: string;
  readonly id: string;
}

/** Sends the writes of one run. */
export class Generator {
  private readonly random;
  private readonly mix;
  private readonly client: WriteClient;
  private readonly failed: Record<string, number> = {};
  private readonly ackMs: number[] = [];
  private readonly sendDelayMs: number[] = [];
  private sent = 0;
  private acknowledged = 0;
  private inFlight = 0;
  private maxInFlight = 0;
  private inserted = 0;
  private samplesDue = 0;

  constructor(
    private readonly options: GeneratorOptions,
    private readonly workload: Workload,
    private readonly emit: (message: GeneratorMessage) => void,
    /** Not one of the options: those are on the command line, which every user of the machine can read. */
    token?: string,
  ) {
    this.random = randomFrom(options.seed);
    this.mix = new WriteMix<Item>(this.random);
    this.client = isDatabase(options.gateway)
      ? new SqlWrites(options.gateway, workload.entity)
      : new HttpConnections(options.gateway, token);
  }

  /** Sends all writes. Resolves when the last response has arrived or timed out. */
  async run(): Promise<void> {
    const { load } = this.options;
    const isRate = "ratePerSecond" in load;
    if (isRate) await this.send(load, load.warmUpSeconds, false);
    this.emit({ type: "measuring", atMs: nowMs() });
    const cpu = process.cpuUsage();
    await (isRate ? this.send(load, load.seconds, true) : this.sendInTurns(load));
    const { user, system } = process.cpuUsage(cpu);
    const deadline = performance.now() + LAST_RESPONSES_MS;
    while (this.inFlight > 0 && performance.now() < deadline) await sleep(5);
    if (this.inFlight > 0) this.failed.none = (this.failed.none ?? 0) + this.inFlight;
    this.client.close();
    const { sent, acknowledged, failed, ackMs, sendDelayMs, maxInFlight } = this;
    const cpuSeconds = (user + system) / 1e6;
    const result = { sent, acknowledged, failed, ackMs, sendDelayMs, maxInFlight, cpuSeconds };
    this.emit({ type: "done", atMs: nowMs(), result });
  }

  /** Sends writes for some seconds, each when it is due. Resolves when all are sent. */
  private send({ ratePerSecond }: RateLoad, seconds: number, measured: boolean): Promise<void> {
    const count = Math.round(ratePerSecond * seconds);
    const samplesPerWrite = measured ? this.options.samplesPerSecond / ratePerSecond : 0;
    const startedAt = performance.now();
    let next = 0;
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        const elapsed = performance.now() - startedAt;
        for (; next < count; next++) {
          const due = dueMs(next, ratePerSecond);
          if (due > elapsed) return;
          this.samplesDue += samplesPerWrite;
          void this.sendOne(startedAt + due, measured);
        }
        clearInterval(timer);
        resolve();
      }, 1);
    });
  }

  /** Lets each client send one write after the other. Resolves when all are answered. */
  private async sendInTurns({ clients, writes }: ClientsLoad): Promise<void> {
    let next = 0;
    const client = async () => {
      while (next++ < writes) await this.sendOne(performance.now(), true);
    };
    await Promise.all(Array.from({ length: clients }, client));
  }

  private async sendOne(due: number, measured: boolean): Promise<void> {
    if (measured) {
      this.sent++;
      this.sendDelayMs.push(performance.now() - due);
    }
    this.maxInFlight = Math.max(this.maxInFlight, ++this.inFlight);
    const write = this.mix.next();
    const unique = write.kind === "insert" ? `${this.options.run}-${this.inserted++}` : write.item.unique;
    try {
      const { status, etag, body } = await this.request(write, unique);
      if (status >= 300) {
        if (measured) this.failed[status] = (this.failed[status] ?? 0) + 1;
        // After a rejected write its item is not used again.
        return;
      }
      if (measured) {
        this.acknowledged++;
        this.ackMs.push(performance.now() - due);
      }
      if (write.kind !== "delete") this.recycle(unique, Number(etag), body, measured);
    } catch {
      if (measured) this.failed.none = (this.failed.none ?? 0) + 1;
    } finally {
      this.inFlight--;
    }
  }

  private request(write: NextWrite<Item>, unique: string) {
    const collection = `/${this.workload.entity.plural}`;
    const body = () => JSON.stringify(this.workload.input(unique, this.random));
    if (write.kind === "insert") return this.client.request("POST", collection, body());
    const path = `${collection}/${encodeURIComponent(write.item.id)}`;
    return write.kind === "update" ? this.client.request("PUT", path, body()) : this.client.request("DELETE", path);
  }

  /** Reports the item to the parent as a sample, or returns it to the mix for later writes. */
  private recycle(unique: string, version: number, body: string, measured: boolean): void {
    const document = JSON.parse(body) as Record<string, unknown>;
    const { entity } = this.workload;
    const id = keyOf(entity, document);
    if (!measured || this.samplesDue < 1) {
      this.mix.release({ unique, id });
      return;
    }
    this.samplesDue--;
    const replicas = entity.replicas.filter((replica) => replica.filter(document)).map(({ name }) => name);
    this.emit({ type: "sample", sample: { id, version, replicas } });
  }
}
