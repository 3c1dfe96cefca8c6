import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { freePort } from "../tests/harness/servers.ts";
import { planStack } from "./plan.ts";
import { requireFreePorts } from "./require-free-ports.ts";

test.each(["127.0.0.1", "0.0.0.0"])("a port in use on %s is listed with its purpose and the remedy", async (host) => {
  const portBase = await freePort();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ port: portBase + 2, host }, resolve));
  try {
    const external = {
      brokers: "a:1",
      redis: "redis://r",
      traces: undefined,
      databases: new Map(["gateway", "catalog", "storefront"].map((o) => [o, "postgres://x"])),
    };
    const replicas = new Map([
      ["catalog", 1],
      ["storefront", 2],
    ]);
    const plan = planStack({ portBase, instances: new Map(), external, observe: false, proxies: [] }, 1, replicas);
    const check = requireFreePorts(plan);
    // Other programs of this machine may use neighbouring ports too.
    await expect(check).rejects.toThrow(`${portBase + 2} (for storefront)`);
    await expect(check).rejects.toThrow(/already in use: stop what uses .*, or choose other ports with --port-base N/);
  } finally {
    server.close();
  }
});
