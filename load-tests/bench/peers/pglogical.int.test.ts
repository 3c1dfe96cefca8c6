import { expect, test } from "bun:test";
import { sourceMigrations } from "../../../gateway/migrations/index.ts";
import { sleep } from "../../../platform/async/sleep.ts";
import { migrationsOf } from "../../../replicas/migrations/index.ts";
import { project } from "../../../tests/project/index.ts";
import { randomFrom } from "../../workload/random.ts";
import { nowMs } from "../generator.ts";
import { SqlWrites } from "../sql-writes.ts";
import { startPglogical } from "./pglogical.ts";
import { PglogicalMeasurement } from "./pglogical-measurement.ts";

test("each transaction counts once per subscriber, from the source's commit to the subscriber's own", async () => {
  const peer = await startPglogical({
    project,
    source: sourceMigrations(project),
    replica: (name) => migrationsOf(project, name),
  });
  const writes = new SqlWrites(peer.gateway, peer.workload.entity);
  try {
    const [, delayed] = peer.replicas;
    const measurement = new PglogicalMeasurement(peer);
    await measurement.start();
    const fromMs = nowMs();
    const body = (sku: string) => JSON.stringify(peer.workload.input(sku, randomFrom(1)));
    const insert = async (sku: string) =>
      `/products/${JSON.parse((await writes.request("POST", "/products", body(sku))).body).id}`;
    const [a, b] = [await insert("a"), await insert("b")];
    await delayed!.sql.begin(async (transaction) => {
      await transaction`lock table products`;
      const { status, etag } = await writes.request("PUT", a, body("a"));
      expect([status, etag]).toEqual([200, "2"]);
      await sleep(300);
    });
    expect((await writes.request("DELETE", b)).status).toBe(200);
    expect((await writes.request("DELETE", b)).status).toBe(404);

    const window = { fromMs, toMs: nowMs() };
    const { processes } = await measurement.stop();
    expect(processes.map(({ name }) => name)).toEqual(["source", "first copy", "second copy"]);
    const phase = await measurement.finish(window);
    const [first, second] = Object.values(phase.replicas).map(({ commitToCommitMs }) => commitToCommitMs);
    expect([first?.count, second?.count]).toEqual([4, 4]);
    // A subscriber's commit timestamps are the source's. Measured by those, all latencies would be 0.
    expect(first?.p50).toBeGreaterThan(0);
    expect(second?.max).toBeGreaterThanOrEqual(300);
    expect(phase.differences).toEqual([]);
  } finally {
    writes.close();
    await peer.stop();
  }
}, 60_000);
