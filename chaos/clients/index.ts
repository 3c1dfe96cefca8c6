/** Starts the clients of a run, and collects what they saw. */
import type { Sql } from "postgres";
import { connectPool } from "../../platform/postgres/connect.ts";
import type { Operation } from "../history.ts";
import type { Random } from "../random.ts";
import type { System } from "../system.ts";
import type { ClientDeps } from "./client.ts";
import { Entities } from "./entities.ts";
import { runReader } from "./reader.ts";
import { readOne } from "./reads.ts";
import { runWriter } from "./writer.ts";

const WRITERS = 16;
const READERS_PER_REPLICA = 3;
/** Most entities that are read once more at the end, in each replica. */
const FINAL_READS = 400;

/** How {@link startClients} works. */
export interface ClientOptions {
  readonly system: System;
  readonly random: Random;
  /** Writes per second of all writers together. */
  readonly rate: number;
  /** Milliseconds since the start of the run. */
  readonly now: () => number;
}

/** The running clients. */
export interface Clients {
  readonly operations: readonly Operation[];
  readonly ids: () => readonly string[];
  /** Ends the writers, and resolves when their last writes are answered. */
  stopWriters(): Promise<void>;
  /** Ends the readers, and resolves when their last reads are answered. */
  stopReaders(): Promise<void>;
  /**
   * Reads the newest 400 entities once more in each replica, at most until one of them gets no answer.
   *
   * @throws the signal's reason when it aborts.
   */
  readOnceMore(signal: AbortSignal): Promise<void>;
}

/** Starts writers, and readers of each replica. */
export function startClients({ system, random, rate, now }: ClientOptions): Clients {
  const { addresses } = system;
  const operations: Operation[] = [];
  const entities = new Entities();
  const run = Date.now().toString(36);
  const stopWriting = new AbortController();
  const stopReading = new AbortController();
  const depsOf = (name: string, { signal }: AbortController): ClientDeps => ({
    ...{ name, run, random: random.fork(name), addresses, entities, now, signal },
    record: (operation) => void operations.push(operation),
  });
  const sql: Sql = connectPool(addresses.sourceDatabase, { max: 4, name: "chaos-client", statementTimeoutMs: 10_000 });
  const interval = (WRITERS * 1_000) / rate;
  const writers = Array.from({ length: WRITERS }, (_, i) =>
    runWriter(depsOf(`writer ${i + 1}`, stopWriting), sql, interval),
  );
  const readers = [...addresses.replicas.keys()].flatMap((replica) =>
    Array.from({ length: READERS_PER_REPLICA }, (_, i) =>
      runReader(depsOf(`${replica} reader ${i + 1}`, stopReading), replica),
    ),
  );
  const last = depsOf("last reader", stopReading);
  return {
    operations,
    ids: entities.ids,
    stopWriters: async () => {
      stopWriting.abort();
      await Promise.all(writers);
      await sql.end({ timeout: 1 });
    },
    stopReaders: async () => {
      stopReading.abort();
      await Promise.all(readers);
    },
    readOnceMore: async (signal) => {
      for (const replica of addresses.replicas.keys())
        for (const id of entities.ids().slice(-FINAL_READS)) {
          signal.throwIfAborted();
          const { outcome } = await readOne(last, replica, id);
          if (outcome === "unknown") break;
        }
    },
  };
}
