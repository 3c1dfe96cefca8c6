/**
 * A client that writes: it creates, changes, deletes and re-creates entities, through the gateway and by SQL. Some of its
 * writes have an idempotency key, a condition, or are read again at once.
 */
import type { Sql } from "postgres";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import type { WriteOperation } from "../history.ts";
import type { Random } from "../random.ts";
import type { ClientDeps } from "./client.ts";
import { readOne } from "./reads.ts";
import { type WriteRequest, writeByHttp, writeBySql } from "./writes.ts";

/** Attempts of a write with a key whose outcome is unknown. */
const ATTEMPTS = 6;
const RETRY_PAUSE_MS = 400;
const WAIT_SECONDS = 2;

/** Writes every `intervalMs`, or as fast as answers come when they take longer, until the signal aborts. */
export async function runWriter(deps: ClientDeps, sql: Sql, intervalMs: number): Promise<void> {
  const { now, signal } = deps;
  const writer = new Writer(deps, sql);
  for (let due = now(); !signal.aborted; ) {
    await writer.write();
    // Skips what is overdue: a client does not send all that it missed at once.
    due = Math.max(due + intervalMs, now() - intervalMs);
    await sleepUnlessAborted(Math.max(0, due - now()), signal);
  }
}

class Writer {
  private count = 0;

  constructor(
    private readonly deps: ClientDeps,
    private readonly sql: Sql,
  ) {}

  /** Makes one write. */
  async write(): Promise<void> {
    const { random, entities } = this.deps;
    const what = random.int(1, 100);
    const id = entities.toWrite(random);
    const gone = entities.toRecreate(random);
    if (what <= 8 && gone) await this.recreate(gone);
    else if (what <= 38 || !id) await this.send({ kind: "create", id: undefined, sets: this.newProduct() });
    else if (what <= 50) await this.send({ kind: "delete", id, sets: undefined });
    else await this.send({ kind: "change", id, sets: this.change() });
  }

  /** Only SQL gives a new row the id of a deleted one. */
  private async recreate(id: string): Promise<void> {
    await writeBySql(this.deps, this.sql, { kind: "create", id, sets: this.newProduct() });
  }

  private async send(request: WriteRequest): Promise<void> {
    const { random, entities } = this.deps;
    const how = random.int(1, 100);
    if (how <= 10 && request.id) await writeBySql(this.deps, this.sql, request);
    else if (how <= 30) await this.sendWithKey(request);
    else if (how <= 42) await this.sendAndWait(request);
    else if (how <= 57) await this.sendAndRead(request);
    else if (how <= 67 && request.id)
      await writeByHttp(this.deps, { ...request, requires: entities.versionOf(request.id) });
    else await writeByHttp(this.deps, request);
  }

  /** Repeats the write with its key until its outcome is known. */
  private async sendWithKey(request: WriteRequest): Promise<void> {
    const { random, signal } = this.deps;
    const key = this.mark().replaceAll(" ", "-");
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const { outcome } = await writeByHttp(this.deps, { ...request, key });
      // A client that has its answer may ask again all the same.
      if (outcome !== "unknown" && !(outcome === "committed" && random.chance(0.1))) return;
      await sleepUnlessAborted(RETRY_PAUSE_MS * attempt, signal);
    }
  }

  /** Waits for the replicas, and reads those that have confirmed. */
  private async sendAndWait(request: WriteRequest): Promise<void> {
    const { id, readableIn } = await writeByHttp(this.deps, { ...request, waitSeconds: WAIT_SECONDS });
    if (id) for (const replica of readableIn) await readOne(this.deps, replica, id);
  }

  /** Reads each replica with the write's token. */
  private async sendAndRead(request: WriteRequest): Promise<void> {
    const { id, token, version }: WriteOperation = await writeByHttp(this.deps, request);
    if (!id || !token) return;
    for (const replica of this.deps.addresses.replicas.keys())
      await readOne(this.deps, replica, id, { token, required: version });
  }

  /** A text that no other write has, in this run or another one. */
  private mark = (): string => `${this.deps.name} ${++this.count} ${this.deps.run}`;

  private newProduct(): Record<string, unknown> {
    const { random } = this.deps;
    const name = this.mark();
    return { sku: name, name, price: priceOf(random), stock: random.int(0, 5), status: statusOf(random) };
  }

  /** Changes the status in half of the cases: the storefront has active products only. */
  private change(): Record<string, unknown> {
    const { random } = this.deps;
    const stock = random.int(0, 5);
    return { name: this.mark(), stock, ...(random.chance(0.5) ? { status: statusOf(random) } : {}) };
  }
}

const priceOf = (random: Random): string => `${random.int(0, 999)}.${String(random.int(0, 99)).padStart(2, "0")}`;
const statusOf = (random: Random): string => random.pick(["active", "active", "draft", "archived"]);
