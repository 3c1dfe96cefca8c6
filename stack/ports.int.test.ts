import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { freePort } from "../tests/harness/parts.ts";
import { planStack } from "./plan.ts";
import { refuseTakenPorts } from "./taken-ports.ts";

test.each(["127.0.0.1", "0.0.0.0"])(
  "a port that somebody uses on %s is named, with what it was for and what to do",
  async (host) => {
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
      const plan = planStack({ portBase, instances: new Map(), external, observe: false }, 1, [
        "catalog",
        "storefront",
      ]);
      const refusal = refuseTakenPorts(plan);
      // Whoever else is on this machine may use a neighbour too.
      await expect(refusal).rejects.toThrow(`${portBase + 2} (for storefront)`);
      await expect(refusal).rejects.toThrow(
        /already in use: stop what uses .*, or choose other ports with --port-base N/,
      );
    } finally {
      server.close();
    }
  },
);
