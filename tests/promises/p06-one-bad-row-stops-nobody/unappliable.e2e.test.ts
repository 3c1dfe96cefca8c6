/** P6 in a replica: events that its database rejects become dead letters, delay no other event, and can be replayed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { produceRaw } from "../../../chaos/faults/events/raw-producer.ts";
import { encodeEvent } from "../../../contracts/event.ts";
import { decodeReceipt } from "../../../contracts/receipt.ts";
import { eventsTopic, receiptsTopic } from "../../../contracts/topics.ts";
import { connectLog } from "../../../kafka/connect-log.ts";
import type { Log } from "../../../kafka/log.ts";
import { partitionForKey } from "../../../kafka/partitioner.ts";
import { createLogger } from "../../../observability/logger.ts";
import { alternate, median } from "../../harness/alternate.ts";
import { metric, request, untilVisible } from "../../harness/client.ts";
import { eventually } from "../../harness/eventually.ts";
import { newProduct } from "../../harness/load.ts";
import { productDocument, upsertEvent } from "../../harness/product-events.ts";
import { runLockstep } from "../../harness/run-lockstep.ts";
import { sharedStack } from "../../harness/shared-stack.ts";
import type { Stack } from "../../harness/stack.ts";
import { product, project } from "../../project/index.ts";

interface Item {
  readonly origin: string;
  readonly state: string;
  readonly reason: string;
  readonly id: string;
  readonly version: number;
  readonly replayOf: string | null;
}

let stack: Stack;
let gateway: string;
let catalog: string;
let sql: Sql;
let log: Log;

beforeAll(async () => {
  stack = await sharedStack();
  [gateway, catalog] = (await Promise.all(["gateway", "catalog"].map((name) => stack.url(name)))) as [string, string];
  sql = postgres(await stack.url("catalog-db"), { max: 1, onnotice: () => {} });
  log = await connectLog({
    brokers: await stack.brokers(),
    clientId: "test",
    logger: createLogger("test", "1", "silent"),
  });
}, 120_000);
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await log.close();
});

async function deadLetters(...args: string[]) {
  const { status, document, stdout, stderr } = await runLockstep(stack, "dead-letters", ...args, "--json");
  if (!document) throw new Error(`dead-letters ${args.join(" ")} printed no JSON: ${stdout}${stderr}`);
  return { code: status, document: document as Record<string, unknown> & { items?: Item[] } };
}
const list = async (...args: string[]): Promise<Item[]> =>
  (await deadLetters("list", "--limit", "10000", ...args)).document.items ?? [];

const create = async (overrides: Record<string, unknown>) =>
  (await request("POST", `${gateway}/products`, newProduct({ status: "active", ...overrides }))).body.id as string;

/** Milliseconds from commit to apply in the catalog, by id, as its receipts report. */
async function latencies(): Promise<{ ms: Map<string, number>; close(): Promise<void> }> {
  const ms = new Map<string, number>();
  const watcher = await log.watch({
    topic: receiptsTopic(project).name,
    from: "end",
    onRecords(records) {
      for (const { value } of records) {
        const receipt = decodeReceipt(value);
        if (receipt?.replica !== "catalog") continue;
        for (const [id, , committedMs] of receipt.changes) if (!ms.has(id)) ms.set(id, receipt.appliedMs - committedMs);
      }
    },
  });
  return { ms, close: () => watcher.close() };
}

/** Waits until the metric equals the number of open dead letters in the list. */
const waitForMetric = () =>
  eventually(
    async () => {
      const { counts } = (await deadLetters("list", "--limit", "1")).document as { counts?: { open: number } };
      const counted = await metric(await stack.url("stream"), "lockstep_dead_letters");
      if (counts?.open !== counted)
        throw new Error(`the list has ${counts?.open} open dead letters, the metric says ${counted}`);
      return true;
    },
    { timeoutMs: 20_000, what: "the metric to equal the number of open dead letters", everyMs: 500 },
  );

const at = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

test("P6: unappliable events, one in ten, delay no other event, are listed, and can be replayed", async () => {
  const marker = `invalid-${crypto.randomUUID().slice(0, 8)}`;
  await sql.unsafe(`alter table products add constraint no_invalid check (name not like '${marker}%')`);
  const receipts = await latencies();
  const rejected: string[] = [];
  const perSecond = Number(process.env.TEST_RATE ?? 100);
  const seconds = Number(process.env.TEST_SECONDS ?? 1);
  /**
   * Writes at a fixed rate.
   * @param every one product in `every` is unappliable; 0: none.
   * @returns latencies of the others, in ms.
   */
  const write = async (every: number) => {
    const start = performance.now();
    const creations: Promise<string[]>[] = [];
    for (let i = 0; i < perSecond * seconds; i++) {
      const isInvalid = every > 0 && i % every === 0;
      const creation = create({ name: isInvalid ? `${marker} ${i}` : "valid" }).then((id) => {
        if (isInvalid) rejected.push(id);
        return isInvalid ? [] : [id];
      });
      creations.push(creation);
      const aheadMs = ((i + 1) / perSecond) * 1_000 - (performance.now() - start);
      if (aheadMs > 0) await Bun.sleep(aheadMs);
    }
    const valid = (await Promise.all(creations)).flat();
    await eventually(() => valid.every((id) => receipts.ms.has(id)), {
      timeoutMs: 30_000,
      what: "all valid products in the catalog",
    });
    const ms = valid.map((id) => receipts.ms.get(id)!).sort((a, b) => a - b);
    return { p50: at(ms, 0.5), p95: at(ms, 0.95) };
  };
  try {
    await write(10); // warm-up, so that neither the first write nor the first dead letter is measured
    const turns = await alternate(16, { clean: () => write(0), mixed: () => write(10) });
    const [clean, mixed] = [turns.clean, turns.mixed].map((runs) => ({
      p50: median(runs.map(({ p50 }) => p50)),
      p95: median(runs.map(({ p95 }) => p95)),
    }));
    console.log(JSON.stringify({ perSecond, clean, mixed }));
    expect(mixed!.p50).toBeLessThanOrEqual(clean!.p50 * 1.5 + 5);
    expect(mixed!.p95).toBeLessThanOrEqual(clean!.p95 * 2 + 50);
    expect(rejected.some((id) => receipts.ms.has(id))).toBe(false);

    // One product gets two more unappliable versions. A later, valid event supersedes the dead letter of another one.
    const [repeated, superseded] = rejected as [string, string];
    for (const stock of [1, 2]) await request("PATCH", `${gateway}/products/${repeated}`, { stock });
    await request("PATCH", `${gateway}/products/${superseded}`, { name: "corrected" });
    await untilVisible(catalog, superseded, 2);
    const expected = [
      ...rejected.filter((id) => id !== superseded).map((id) => `${id} 1`),
      `${repeated} 2`,
      `${repeated} 3`,
    ];
    const rejectedIds = new Set(rejected);
    const openNow = async () =>
      (await list("--reason", "unappliable", "--replica", "catalog", "--state", "open")).filter(({ id }) =>
        rejectedIds.has(id),
      );
    const open = await eventually(
      async () => {
        const found = await openNow();
        return found.length === expected.length ? found : undefined;
      },
      { timeoutMs: 10_000, what: `${expected.length} open dead letters` },
    );
    expect(open.map(({ id, version }) => `${id} ${version}`).toSorted()).toEqual(expected.toSorted());
    expect((await list("--id", superseded)).map(({ state, version }) => [state, version])).toEqual([["superseded", 1]]);
    // The dead letters of one entity are listed in the order of its versions.
    expect(open.filter(({ id }) => id === repeated).map(({ version }) => version)).toEqual([1, 2, 3]);
    await waitForMetric();

    const pages: Item[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const more: string[] = cursor === "" ? [] : ["--cursor", cursor];
      const { document } = await deadLetters(
        "list",
        "--replica",
        "catalog",
        "--state",
        "open",
        "--limit",
        "20",
        ...more,
      );
      pages.push(...document.items!);
      cursor = document.nextCursor as string | null;
    }
    expect(pages.filter(({ id }) => rejectedIds.has(id)).map(({ origin }) => origin)).toEqual(
      open.map(({ origin }) => origin),
    );

    // A replay before the constraint is dropped fails again and adds a dead letter.
    await deadLetters("replay", "--id", repeated);
    const replayed = await eventually(async () => (await openNow()).filter(({ id }) => id === repeated)[0], {
      timeoutMs: 10_000,
      what: "the dead letter of the failed replay",
    });
    expect(replayed.version).toBe(3);

    await sql.unsafe("alter table products drop constraint no_invalid");
    const before = await openNow();
    const dry = await deadLetters("replay", "--replica", "catalog", "--reason", "unappliable", "--dry-run");
    expect((dry.document.wouldReplay as Item[]).filter(({ id }) => rejectedIds.has(id))).toHaveLength(before.length);
    const { code, document } = await deadLetters(
      "replay",
      "--replica",
      "catalog",
      "--reason",
      "unappliable",
      "--rate",
      "1000",
    );
    expect([code, (document.replayed as number) >= before.length]).toEqual([0, true]);
    for (const id of rejected) await untilVisible(catalog, id, id === repeated ? 3 : id === superseded ? 2 : 1);
    expect((await deadLetters("replay", "--replica", "catalog", "--reason", "unappliable")).document.replayed).toBe(0);
    expect(await openNow()).toEqual([]);
    expect((await deadLetters("list", "--replica", "catalog", "--state", "open")).document.items).toEqual([]);
    await waitForMetric();
  } finally {
    await receipts.close();
    await sql.unsafe("alter table products drop constraint if exists no_invalid");
  }
}, 180_000);

test("P6: a replay validates again: valid events pass, invalid ones return once, dropped ones stay", async () => {
  const brokers = await stack.brokers();
  const topic = eventsTopic(product).name;
  const partitions = await log.partitionCount(topic);
  const [misplaced, invalid, malformed] = [productDocument(), productDocument({ stock: "many" }), productDocument()];
  const message = (document: typeof misplaced) => encodeEvent(upsertEvent(document));
  const partition = (partitionForKey(misplaced.id as string, partitions) + 1) % partitions;
  await produceRaw(brokers, topic, [
    { ...message(misplaced), partition },
    message(invalid),
    { ...message(malformed), value: "{" },
  ]);
  const stateOf = async (document: typeof misplaced) =>
    (await list("--id", document.id as string)).map(({ reason, state }) => `${reason} ${state}`);
  await eventually(
    async () =>
      (await Promise.all([misplaced, invalid, malformed].map(stateOf))).every((states) => states.length === 1),
    {
      timeoutMs: 10_000,
      what: "three dead letters",
    },
  );

  expect((await deadLetters("drop", "--id", malformed.id as string)).code).toBe(1);
  expect(await stateOf(malformed)).toEqual(["malformed-json open"]);
  expect((await deadLetters("drop", "--id", malformed.id as string, "--yes")).document.dropped).toBe(1);
  expect(await stateOf(malformed)).toEqual(["malformed-json dropped"]);

  for (const document of [misplaced, invalid, malformed]) await deadLetters("replay", "--id", document.id as string);
  await untilVisible(catalog, misplaced.id as string, 1);
  expect(await stateOf(misplaced)).toEqual(["wrong-partition replayed"]);
  await eventually(async () => (await stateOf(invalid)).length === 2, {
    timeoutMs: 10_000,
    what: "the dead letter of the failed replay",
  });
  const [first, second] = await list("--id", invalid.id as string);
  expect([first!.state, second!.state, second!.replayOf]).toEqual(["replayed", "open", first!.origin]);
  expect(await stateOf(malformed)).toEqual(["malformed-json dropped"]);

  const { document: shown } = await deadLetters("show", second!.origin);
  const { fields } = shown.event as { fields: { field: string; problem: string | null; value: string | null }[] };
  expect(fields.filter(({ problem }) => problem).map(({ field }) => field)).toEqual(["stock"]);
  expect(fields.find(({ field }) => field === "cost")?.value).not.toContain("7.10");
  expect(JSON.stringify(shown)).not.toContain("7.10");
  expect(JSON.stringify((await deadLetters("show", second!.origin, "--reveal")).document)).toContain("7.10");
  expect((await deadLetters("show", "products.events/0/999999999")).code).toBe(1);
}, 120_000);
