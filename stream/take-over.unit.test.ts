import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeEvent, header } from "../contracts/event.ts";
import { eventsTopic, replicaTopic } from "../contracts/topics.ts";
import { productDocument, upsertEvent } from "../tests/harness/product-events.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { StreamInstance } from "../tests/harness/stream-instance.ts";
import { product } from "../tests/project/index.ts";

const id = "aaaaaaaa-0000-4000-8000-000000000000";
const input = { topic: eventsTopic(product).name, partition: 0 };
const outputs = ["catalog", "storefront"].map((name) => ({ topic: replicaTopic(product, name).name, partition: 0 }));
const folder = mkdtempSync(join(tmpdir(), "lockstep-take-over-"));
let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);
afterAll(() => rmSync(folder, { recursive: true }));

const update = (version: number) => encodeEvent(upsertEvent(productDocument({ id, version })));
const versionsIn = (log: SimulatedLog) =>
  outputs.map((at) => log.records(at).map(({ headers }) => Number(headers[header.version])));

test("P2: a checkpoint that is saved while a chunk is half written does not pass for the chunk's", async () => {
  const fates = ["stored", "stored", "stored", "lost"] as const;
  let writes = 0;
  const log = new SimulatedLog(1, () => fates[writes++] ?? "stored");
  const file = newFile();
  log.append(input, [update(1), update(2)]);
  {
    await using instance = new StreamInstance(log, file);
    await instance.deliverRecords(log.records(input).slice(0, 1));
    await expect(instance.deliverRecords(log.records(input).slice(1))).rejects.toThrow();
    instance.save();
  }
  expect(versionsIn(log)).toEqual([[1, 2], [1]]);
  await using instance = new StreamInstance(log, file);
  await instance.deliver();
  expect(versionsIn(log)).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

test("P3: after a crash, no older version follows a newer one in a topic that was compacted meanwhile", async () => {
  const log = new SimulatedLog(1);
  const file = newFile();
  log.append(input, [update(1)]);
  {
    await using instance = new StreamInstance(log, file);
    await instance.deliver();
    await instance.flush();
    log.append(input, [update(2), update(3)]);
    await instance.deliver(1);
  }
  for (const at of outputs) log.compact(at);
  await using instance = new StreamInstance(log, file);
  log.append(input, [update(4)]);
  await instance.deliver();
  expect(versionsIn(log)).toEqual([
    [1, 2, 3, 4],
    [1, 2, 3, 4],
  ]);
});
