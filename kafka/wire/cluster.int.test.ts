/** What the client says when no broker can serve a request, with a real broker. */
import { expect, test } from "bun:test";
import { InterceptedCluster } from "../../tests/harness/intercepted-cluster.ts";
import { errorAction } from "./broker-errors.ts";

test("a partition without a leader and an unknown broker are named, and may be there later", async () => {
  const cluster = await InterceptedCluster.connect();
  const noLeader = await cluster.leader({ topic: "cluster.none", partition: 2 }).catch((error: unknown) => error);
  expect(String(noLeader)).toContain("cluster.none/2 has no leader at the moment");
  expect(errorAction(noLeader)).toBe("retry");
  expect(() => cluster.connection(77)).toThrow("broker 77 is not part of the cluster at the moment");
  cluster.close();
}, 120_000);
