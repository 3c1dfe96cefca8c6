import { expect, test } from "bun:test";
import type { Log } from "../../../kafka/log.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { entity, newId, replicaOf, routedMessage } from "../../../tests/harness/replica.ts";
import { SimulatedLog } from "../../../tests/harness/simulated-log.ts";
import { replicaTable } from "../../table.ts";
import { PARALLEL_PARTITIONS, TopicFiller } from "./fill-topics.ts";

const topic = "products.to.catalog";
const replica = replicaOf("catalog");
const table = { table: replicaTable(entity, replica), relations: [], apply: "apply_product" };
const source = { topic, partition: 0, entity, replica, topicId: "", table };

test("P14: a process that stops ends its rebuild with the next records, and writes none of them", async () => {
  const stopping = new AbortController();
  class StoppedLog extends SimulatedLog {
    override async *read(...args: Parameters<SimulatedLog["read"]>) {
      for await (const records of super.read(...args)) {
        yield records;
        stopping.abort(new Error("the process stops"));
      }
    }
  }
  const log = new StoppedLog(1);
  log.append(
    source,
    Array.from({ length: 20 }, () => routedMessage(newId(), 1)),
  );
  let statements = 0;
  const sql = { unsafe: async () => void statements++ } as unknown as Sql;
  const filler = new TopicFiller({ log, signal: stopping.signal, onProgress: () => {} }, [source], new Map());
  await expect(filler.fillAll(sql)).rejects.toThrow("the process stops");
  expect([statements, filler.records]).toEqual([0, 0]);
});

test("after an error no further partition is read", async () => {
  const partitions = Array.from({ length: 6 }, (_, partition) => partition);
  const reads: number[] = [];
  const log = {
    offsets: async () => new Map(partitions.map((partition) => [partition, { first: 0, next: 1 }])),
    read({ partition }: { partition: number }) {
      reads.push(partition);
      throw new Error("the log is unavailable");
    },
  } as unknown as Log;
  const sources = partitions.map((partition) => ({ ...source, partition }));
  const { signal } = new AbortController();
  const filler = new TopicFiller({ log, signal, onProgress: () => {} }, sources, new Map());
  await expect(filler.fillAll({} as Sql)).rejects.toThrow("the log is unavailable");
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(reads).toHaveLength(PARALLEL_PARTITIONS);
});
