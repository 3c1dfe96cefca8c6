import { expect, test } from "bun:test";
import { sourceMigrations } from "../../../gateway/migrations/index.ts";
import { migrationsOf } from "../../../replicas/migrations/index.ts";
import { project } from "../../../tests/project/index.ts";
import { randomFrom } from "../../workload/random.ts";
import { differences } from "../differences.ts";
import { nowMs } from "../generator.ts";
import { HttpConnections } from "../http-connections.ts";
import { startDualWrite } from "./dual-write.ts";
import { DualWriteMeasurement } from "./dual-write-measurement.ts";
import { COPIED_REPLICA } from "./peer-servers.ts";

test("a dual write copies inserts, updates and deletes over HTTP, and misses a change by SQL", async () => {
  const peer = await startDualWrite({
    project,
    source: sourceMigrations(project),
    replica: (name) => migrationsOf(project, name),
  });
  const client = new HttpConnections(peer.gateway);
  try {
    const body = (sku: string) => JSON.stringify(peer.workload.input(sku, randomFrom(1)));
    const insert = async (sku: string) => {
      const { status, body: text } = await client.request("POST", "/products", body(sku));
      expect(status).toBe(201);
      return `/products/${JSON.parse(text).id}`;
    };
    const measurement = new DualWriteMeasurement(peer);
    await measurement.start();
    const fromMs = nowMs();
    const [a, b] = [await insert("a"), await insert("b")];
    const { status, etag } = await client.request("PUT", a, body("a"));
    expect([status, etag]).toEqual([200, "2"]);
    expect((await client.request("DELETE", b)).status).toBe(204);
    expect((await client.request("DELETE", b)).status).toBe(404);
    const window = { fromMs, toMs: nowMs() };
    const { processes } = await measurement.stop();
    expect(processes.map(({ name }) => name)).toEqual(["source", "copy", "broker", "front", "consumer"]);
    const { replicas, differences: found } = await measurement.finish(window);
    // The delete left no row behind.
    expect(replicas.copy?.commitToCommitMs.count).toBe(1);
    expect(replicas.copy?.commitToCommitMs.p50).toBeGreaterThan(0);
    expect(found).toEqual([]);

    await peer.source.sql`update products set stock = stock + 1`;
    const missed = await differences(peer.source.url, peer.replicas[0]!.url, COPIED_REPLICA, project.entities);
    expect(missed).toHaveLength(1);
  } finally {
    client.close();
    await peer.stop();
  }
}, 120_000);
