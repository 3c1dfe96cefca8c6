import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeEvent } from "../contracts/event.ts";
import { eventsTopic, versionsTopic } from "../contracts/topics.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { productDocument, upsertEvent } from "../tests/harness/product-events.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { StreamInstance } from "../tests/harness/stream-instance.ts";
import { product } from "../tests/project/index.ts";
import { decodeFlushed } from "./versions-topic.ts";

const id = "aaaaaaaa-0000-4000-8000-000000000000";
const input = { topic: eventsTopic(product).name, partition: 0 };
const versions = { topic: versionsTopic(product).name, partition: 0 };
const folder = mkdtempSync(join(tmpdir(), "lockstep-partition-owner-"));
afterAll(() => rmSync(folder, { recursive: true }));

const known = (log: SimulatedLog) => [...decodeFlushed(log.records(versions)).changes];

test("a takeover repeats a flush that failed, also when no event follows", async () => {
  let fails = false;
  const log = new SimulatedLog(1, () => (fails ? "lost" : "stored"));
  log.append(input, [encodeEvent(upsertEvent(productDocument({ id, version: 1 })))]);
  await using instance = new StreamInstance(log, join(folder, "versions.sqlite"));
  await instance.deliver();
  fails = true;
  await instance.flush();
  fails = false;
  await instance.takeOver();
  const found = await eventually(() => known(log)[0], { timeoutMs: 4_000, what: "the version in the versions topic" });
  expect(found).toEqual([id, { version: 1, absent: [] }]);
});
