/** When a pause or resume writes a record. */
import { expect, test } from "bun:test";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import { project } from "../../tests/project/index.ts";
import { setPaused } from "./control.ts";

/** A log whose control topic has these states of the catalog, the newest last. @returns what was written, and where. */
function logWith(...paused: boolean[]) {
  const written: { key: string; paused: boolean; reason?: string }[] = [];
  const at = new Date(0).toISOString();
  const records = paused.map((value) => ({
    key: Buffer.from("replica/catalog"),
    value: Buffer.from(JSON.stringify({ paused: value, at })),
  })) as unknown as StoredRecord[];
  const writers: { readonly name: string; readonly partitions: readonly unknown[] }[] = [];
  const log = {
    offsets: async () => new Map([[0, { first: 0, next: records.length }]]),
    read: async function* () {
      yield records;
    },
    openWriter: async (name: string, partitions: readonly unknown[]) => {
      writers.push({ name, partitions });
      return {
        write: async (_: unknown, [{ key, value }]: [{ key: string; value: string }]) => {
          written.push({ key, ...JSON.parse(value) });
          return 0;
        },
        close: async () => {},
      };
    },
  } as unknown as Log;
  return { log, written, writers };
}

test.each<[string, boolean[], boolean, boolean, number]>([
  ["a pause of a running service is written", [], true, true, 1],
  ["a pause of a paused service is not written: it would change nothing but its time", [true], true, false, 0],
  ["a resume of a paused service is written", [true], false, true, 1],
  ["a resume is written also when no pause is known: the topic may have lost it", [], false, false, 1],
  ["the newest record counts", [true, false], true, true, 1],
])("%s", async (_, states, paused, changed, count) => {
  const { log, written } = logWith(...states);
  expect(await setPaused({ log, project }, "catalog", paused, "maintenance")).toBe(changed);
  expect(written).toEqual(
    Array.from({ length: count }, () =>
      expect.objectContaining({ key: "replica/catalog", paused, reason: "maintenance" }),
    ),
  );
});

test.each([
  ["", "lockstep.control", "lockstep.operations.control"],
  ["staging", "staging.lockstep.control", "staging.lockstep.operations.control"],
])("a pause in the namespace '%s' is written to %s by %s", async (namespace, topic, name) => {
  const { log, writers } = logWith();
  await setPaused({ log, project: { namespace } }, "catalog", true);
  expect(writers).toEqual([{ name, partitions: [{ topic, partition: 0 }] }]);
});
