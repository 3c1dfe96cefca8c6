/** When a process switches the cache on or off. */
import { expect, test } from "bun:test";
import { silentLogger } from "../../tests/harness/replica.ts";
import type { Cache, CacheWriteResult } from "./cache.ts";
import { CacheController } from "./cache-controller.ts";
import type { Epoch } from "./epoch.ts";

const off: Epoch = { epoch: 5, runId: null, due: true };
const on: Epoch = { epoch: 5, runId: "server 1", due: false };

interface World {
  lease?: Epoch | undefined;
  server?: string | undefined;
  isNew?: boolean;
  /** What another process does first: no epoch is opened then. */
  isSlower?: boolean;
  probe?: () => Promise<void>;
  installs?: CacheWriteResult;
}

function controllerOf(world: World) {
  const calls: string[] = [];
  const cache = (name: string): Pick<Cache, "probe" | "install"> => ({
    async probe() {
      calls.push(`probe ${name}`);
      await world.probe?.();
    },
    async install(epoch) {
      calls.push(`install ${epoch} for ${name}`);
      return world.installs ?? "ok";
    },
  });
  const controller = new CacheController({
    epoch: {
      lease: () => world.lease,
      isNew: () => world.isNew ?? false,
      async enable({ epoch }, runId) {
        calls.push(`enable ${epoch} on ${runId}`);
        return world.isSlower ? undefined : epoch + 1;
      },
      async disable(epoch) {
        calls.push(`disable ${epoch}`);
      },
    },
    redis: { writes: { client: undefined as never, runId: () => world.server, close() {} } },
    caches: [cache("products"), cache("orders")] as Cache[],
    logger: silentLogger,
  });
  return { controller, calls };
}

test("the cache is switched on when it is due: every server accepts writes, then the epoch is installed for each entity", async () => {
  const { controller, calls } = controllerOf({ lease: off, server: "server 1" });
  await controller.reconcile();
  expect(calls).toEqual([
    "probe products",
    "probe orders",
    "enable 5 on server 1",
    "install 6 for products",
    "install 6 for orders",
  ]);
});

test("nothing happens without a lease, without Redis, before the cache is due, and while it is on here", async () => {
  for (const world of [
    { server: "server 1" },
    { lease: off },
    { lease: { ...off, due: false }, server: "server 1" },
    { lease: on, server: "server 1" },
  ]) {
    const { controller, calls } = controllerOf(world);
    await controller.reconcile();
    expect(calls).toEqual([]);
  }
});

test("P7: an epoch that another process opened is not installed; one that cannot be installed is switched off", async () => {
  const slower = controllerOf({ lease: off, server: "server 1", isSlower: true });
  await slower.controller.reconcile();
  expect(slower.calls.at(-1)).toBe("enable 5 on server 1");
  for (const installs of ["moved", "unknown"] as const) {
    const failing = controllerOf({ lease: off, server: "server 1", installs });
    await failing.controller.reconcile();
    expect(failing.calls.slice(-2)).toEqual(["install 6 for products", "disable 6"]);
  }
});

test("a server that accepts no writes opens no epoch, and the next renewal tries again", async () => {
  const world: World = { lease: off, server: "server 1", probe: () => Promise.reject(new Error("READONLY")) };
  const { controller, calls } = controllerOf(world);
  await controller.reconcile();
  expect(calls).toEqual(["probe products"]);
  delete world.probe;
  await controller.reconcile();
  expect(calls).toContain("install 6 for orders");
});

test("P7: the cache is switched off when the connection leads to another server, or the server lost the epoch", async () => {
  const elsewhere = controllerOf({ lease: on, server: "server 2" });
  await elsewhere.controller.reconcile();
  expect(elsewhere.calls).toEqual(["disable 5"]);
  const lost = controllerOf({ lease: on, server: "server 1" });
  await lost.controller.onLost(on);
  expect(lost.calls).toEqual(["disable 5"]);
});

test("an epoch that may still be installed by its process does not count as lost", async () => {
  const { controller, calls } = controllerOf({ lease: on, server: "server 1", isNew: true });
  await controller.onLost(on);
  expect(calls).toEqual([]);
});

test("one change at a time: what is found during another one is left to the next renewal", async () => {
  const probed = Promise.withResolvers<void>();
  const { controller, calls } = controllerOf({ lease: off, server: "server 1", probe: () => probed.promise });
  const switching = controller.reconcile();
  await controller.reconcile();
  await controller.onLost(off);
  expect(calls).toEqual(["probe products"]);
  probed.resolve();
  await switching;
  expect(calls.filter((call) => call.startsWith("enable"))).toHaveLength(1);
});
