/**
 * Measures the other services from outside: outbox depth, consumer lag and database size.
 * A service that hangs or is down cannot report these itself, and its lag matters most at that time.
 */
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Connections } from "../../operations/connect.ts";
import { readConsumerLags } from "../../operations/status/consumer-lag.ts";
import { readOutbox } from "../../operations/status/status.ts";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import type { Service } from "../../platform/service.ts";

/** Collaborators of {@link measureOtherServices}. */
export interface ExternalMetricsDeps {
  readonly connections: Connections;
  readonly metrics: Pick<Metrics, "outboxDepth" | "outboxOldestAge" | "consumerLag" | "databaseSize">;
  readonly logger: Logger;
}

/**
 * Measures every `intervalMs` milliseconds until the service is stopped. A failed measurement is logged at debug level
 * and repeated at the next interval, so `ended` never rejects. `stop` does not wait for a measurement in flight: it
 * ends when the connections are closed.
 */
export function measureOtherServices(deps: ExternalMetricsDeps, intervalMs: number): Service {
  const ending = new AbortController();
  // Independent loops: an unavailable broker must not delay the measurement of the outbox, and vice versa.
  const loops = [measureOutbox, measureLag, measureDatabases].map(async (measure) => {
    while (!ending.signal.aborted) {
      await measure(deps).catch((error) =>
        deps.logger.debug(
          { err: error, measurement: measure.name },
          "measurement failed; retrying at the next interval",
        ),
      );
      await sleepUnlessAborted(intervalMs, ending.signal);
    }
  });
  return {
    ended: Promise.all(loops).then(() => {}),
    async stop() {
      ending.abort();
    },
  };
}

async function measureOutbox({ connections, metrics }: ExternalMetricsDeps): Promise<void> {
  const { depth, oldestAgeSeconds } = await readOutbox(connections);
  metrics.outboxDepth.set(depth);
  metrics.outboxOldestAge.set(oldestAgeSeconds);
}

/** Lag of each consumer group and partition number, summed over the topics that the group reads. */
async function measureLag({ connections, metrics }: ExternalMetricsDeps): Promise<void> {
  const log = await connections.log();
  for (const [group, consumers] of Map.groupBy(await readConsumerLags(log, new Map()), ({ group }) => group)) {
    const partitions = consumers.flatMap(({ partitions }) => partitions);
    for (const [partition, lags] of Map.groupBy(partitions, ({ partition }) => partition)) {
      const lag = lags.reduce((sum, { lag }) => sum + lag, 0);
      metrics.consumerLag.set({ group, partition: String(partition) }, lag);
    }
  }
}

async function measureDatabases({ connections, metrics }: ExternalMetricsDeps): Promise<void> {
  const databases = [
    ["gateway", connections.source()] as const,
    ...[...connections.addresses.replicas.keys()].map((name) => [name, connections.replica(name)] as const),
  ];
  await Promise.all(
    databases.map(async ([owner, sql]) => {
      const [row] = await sql<{ bytes: string }[]>`select pg_database_size(current_database()) as bytes`;
      metrics.databaseSize.set({ owner }, Number(row!.bytes));
    }),
  );
}
