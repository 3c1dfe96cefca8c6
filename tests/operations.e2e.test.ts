/** The operator's commands on a running stack. */
import { expect, test } from "bun:test";
import { metric, request, untilVisible } from "./harness/client.ts";
import { eventually } from "./harness/eventually.ts";
import { newProduct } from "./harness/load.ts";
import { runLockstep } from "./harness/run-lockstep.ts";
import { sharedStack } from "./harness/shared-stack.ts";

interface Hop {
  readonly replica: string;
  readonly decision: string;
  readonly version: number | null;
  readonly cache: { version: number; current: boolean } | null;
}

test("journey shows an entity at every hop, and reports an unknown entity", async () => {
  const stack = await sharedStack();
  const [gateway, catalog] = await Promise.all([stack.url("gateway"), stack.url("catalog")]);
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const created = await request("POST", `${gateway}/products`, newProduct({ status: "draft" }), {
    traceparent,
    prefer: "wait=5",
  });
  const id = created.body.id as string;
  const { status, document } = await runLockstep(stack, "journey", id, "--json");
  expect(status).toBe(0);
  const [journey] = document!.journeys as Record<string, unknown>[];
  expect(journey).toMatchObject({
    entity: "product",
    id,
    source: { state: "present", version: 1 },
    outbox: [],
    event: { topic: "products.events", version: 1 },
    deadLetters: [],
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  });
  const hops = journey!.replicas as Hop[];
  expect(hops.map(({ replica, decision, version }) => [replica, decision, version])).toEqual([
    ["catalog", "routed", 1],
    ["storefront", "filtered", 1],
  ]);
  expect(hops[0]!.cache).toEqual({ version: 1, current: true });
  const text = await runLockstep(stack, "journey", id.toUpperCase());
  expect(text.stdout).toContain("catalog     routed, version 1");

  await request("DELETE", `${gateway}/products/${id}`, undefined, { prefer: "wait=5" });
  const deleted = (await runLockstep(stack, "journey", id, "--json")).document!.journeys as {
    source: unknown;
    replicas: Hop[];
  }[];
  expect(deleted[0]).toMatchObject({ source: { state: "deleted", version: 2 } });
  expect(deleted[0]!.replicas.map(({ decision }) => decision)).toEqual(["deleted", "deleted"]);
  expect(await runLockstep(stack, "journey", crypto.randomUUID())).toMatchObject({
    status: 1,
    stdout: expect.stringContaining("there is no entity"),
  });
  expect((await runLockstep(stack, "journey", "cup")).status).toBe(2);
  expect((await request("GET", `${catalog}/health/ready`)).status).toBe(200);
});

test("a paused replica reports its pause and applies nothing, also after a restart, until it resumes", async () => {
  const stack = await sharedStack();
  const [gateway, catalog, storefront] = await Promise.all(
    ["gateway", "catalog", "storefront"].map((name) => stack.url(name)),
  );
  expect((await runLockstep(stack, "pause", "catalog", "--reason", "index rebuild")).status).toBe(0);
  await eventually(async () => (await metric(catalog!, "lockstep_paused")) === 1, {
    timeoutMs: 5_000,
    what: "the pause to take effect",
  });
  try {
    const ids: string[] = [];
    for (let i = 0; i < 20; i++)
      ids.push((await request("POST", `${gateway}/products`, newProduct({ status: "active" }))).body.id as string);
    for (const id of ids) await untilVisible(storefront!, id, 1);
    const status = await runLockstep(stack, "status", "--json");
    const follows = status.document!.follows as { name: string; lag: number; paused: { reason: string } | null }[];
    expect(follows.find(({ name }) => name === "catalog")).toMatchObject({ paused: { reason: "index rebuild" } });
    expect(follows.find(({ name }) => name === "catalog")!.lag).toBeGreaterThanOrEqual(20);
    expect(follows.find(({ name }) => name === "storefront")!.paused).toBeNull();
    for (const id of ids) expect((await request("GET", `${catalog}/products/${id}`)).status).toBe(404);

    const killed = await stack.kill("catalog", "SIGKILL");
    await eventually(
      async () => {
        const { pid, health } = await stack.entry("catalog");
        return pid !== killed && health === "ready";
      },
      { timeoutMs: 30_000, what: "the replica to run again" },
    );
    await Bun.sleep(1_000);
    for (const id of ids) expect((await request("GET", `${catalog}/products/${id}`)).status).toBe(404);
    const health = await request("GET", `${catalog}/health/ready`);
    expect(JSON.stringify(health.body)).toContain("index rebuild");
    const text = (await runLockstep(stack, "status")).stdout;
    expect(text).toMatch(/catalog +products.to.catalog .*paused since .*: index rebuild/);

    expect((await runLockstep(stack, "resume", "catalog", "--json")).document).toMatchObject({
      paused: false,
      changed: true,
    });
    for (const id of ids) await untilVisible(catalog!, id, 1);
  } finally {
    await runLockstep(stack, "resume", "catalog");
  }
}, 120_000);

test("a paused stream delays every event, and resume delivers all of them", async () => {
  const stack = await sharedStack();
  const [gateway, catalog, stream] = await Promise.all(["gateway", "catalog", "stream"].map((name) => stack.url(name)));
  await runLockstep(stack, "pause", "stream");
  try {
    await eventually(async () => (await metric(stream!, "lockstep_paused")) === 1, {
      timeoutMs: 5_000,
      what: "the pause to take effect",
    });
    const { body } = await request("POST", `${gateway}/products`, newProduct(), { prefer: "wait=1" });
    expect((await request("GET", `${catalog}/products/${body.id}`)).status).toBe(404);
    await runLockstep(stack, "resume", "stream");
    await untilVisible(catalog!, body.id as string, 1);
  } finally {
    await runLockstep(stack, "resume", "stream");
  }
});

test("the console returns over HTTP what the commands print", async () => {
  const stack = await sharedStack();
  const [gateway, url] = await Promise.all([stack.url("gateway"), stack.url("console")]);
  const { body } = await request("POST", `${gateway}/products`, newProduct(), { prefer: "wait=5" });
  const journey = await request("GET", `${url}/api/journey/${body.id}`);
  expect(journey.body).toMatchObject({ journeys: [{ id: body.id, source: { state: "present", version: 1 } }] });
  expect((await request("GET", `${url}/api/journey/cup`)).status).toBe(404);
  const status = (await request("GET", `${url}/api/status`)).body as { services: { name: string; health: string }[] };
  expect(status.services.map(({ name, health }) => `${name} ${health}`)).toEqual([
    "gateway ready",
    "relay ready",
    "stream ready",
    "catalog ready",
    "storefront ready",
    "console ready",
  ]);
  expect((await request("GET", `${url}/health/ready`)).status).toBe(200);
});

test("a command reports in one line a missing stack, and rejects an invalid argument", async () => {
  const stack = await sharedStack();
  const missingStack = { ...stack, data: `${stack.data}-none`, root: stack.root } as typeof stack;
  const { status, stderr } = await runLockstep(missingStack, "status");
  expect([status, stderr.trim().split("\n").length]).toEqual([1, 1]);
  expect(stderr).toContain("bun run up");
  const rejected = await runLockstep(stack, "pause", "gateway");
  expect(rejected.status).toBe(2);
  expect(rejected.stderr).toContain("stream, catalog, storefront");
});
