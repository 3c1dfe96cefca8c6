/** Metrics to a collector that takes its time. */
import { afterAll, expect, test } from "bun:test";
import { exportMetrics } from "./export-metrics.ts";
import { createLogger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";

const arrived = Promise.withResolvers<void>();
const answer = Promise.withResolvers<void>();
let inFlight = 0;
let most = 0;
let requests = 0;
const collector = Bun.serve({
  port: 0,
  async fetch() {
    requests++;
    most = Math.max(most, ++inFlight);
    arrived.resolve();
    await answer.promise;
    inFlight--;
    return new Response();
  },
});
afterAll(() => collector.stop(true));

test("P14: at most one request is in flight, and a flush sends the newest values after it", async () => {
  const deps = { metrics: createMetrics("test", "1"), logger: createLogger("test", "1", "silent") };
  const exporter = exportMetrics(deps, { url: collector.url.origin, headers: {} }, {}, 2 ** 31 - 1);
  const first = [exporter.flush(), exporter.flush()];
  await arrived.promise;
  const last = exporter.flush();
  answer.resolve();
  await Promise.all([...first, last]);
  expect({ requests, most }).toEqual({ requests: 2, most: 1 });
});
