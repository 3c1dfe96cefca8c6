import { expect, test } from "bun:test";
import type { Log } from "../../../kafka/log.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { entity, replicaOf } from "../../../tests/harness/replica.ts";
import { PARALLEL_PARTITIONS, TopicFiller } from "./fill-topics.ts";

test("after an error no further partition is read", async () => {
  const topic = "products.to.catalog";
  const partitions = Array.from({ length: 6 }, (_, partition) => partition);
  const reads: number[] = [];
  const log = {
    offsets: async () => new Map(partitions.map((partition) => [partition, { first: 0, next: 1 }])),
    read({ partition }: { partition: number }) {
      reads.push(partition);
      throw new Error("the log is unavailable");
    },
  } as unknown as Log;
  const table = { name: "products", schema: "public", columns: [] };
  const sources = partitions.map((partition) => ({
    topic,
    partition,
    entity,
    replica: replicaOf("catalog"),
    topicId: "",
    table,
  }));
  const { signal } = new AbortController();
  const filler = new TopicFiller({ log, signal, onProgress: () => {} }, sources, new Map());
  await expect(filler.fillAll({} as Sql)).rejects.toThrow("the log is unavailable");
  await Bun.sleep(10);
  expect(reads).toHaveLength(PARALLEL_PARTITIONS);
});
