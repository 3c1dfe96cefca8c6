/**
 * What can be told of the others from outside: a process that hangs or is away reports nothing itself, and that is when its lag matters.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Connections } from "../../operations/connect.ts";
import { readConsumerLags } from "../../operations/status/consumer-lag.ts";
import { readOutbox } from "../../operations/status/status.ts";
import type { Service } from "../../platform/service.ts";

export interface OutsideParts {
  readonly connections: Connections;
  readonly metrics: Pick<Metrics, "outboxDepth" | "outboxOldestAge" | "consumerLag" | "databaseSize">;
  readonly logger: Logger;
}

/** Looks at outbox, lag and databases every so often. Never rejects: what does not answer is looked at again next time. */
export function watchServices(deps: OutsideParts, everyMs: number): Service {
  const ending = new AbortController();
  const { signal } = ending;
  // Each at its own pace: a broker that does not answer must not keep the outbox from being looked at, nor the other way round.
  const ended = Promise.all(
    [outbox, lags, sizes].map(async (look) => {
      while (!signal.aborted) {
        await look(deps).catch((error) =>
          deps.logger.debug({ err: error, what: look.name }, "not to be seen from outside now"),
        );
        await sleep(everyMs, undefined, { signal }).catch(() => {});
      }
    }),
  ).then(() => {});
  return {
    ended,
    // What is under way ends with its connections.
    async stop() {
      ending.abort();
    },
  };
}

async function outbox({ connections, metrics }: OutsideParts): Promise<void> {
  const { depth, oldestAgeSeconds } = await readOutbox(connections);
  metrics.outboxDepth.set(depth);
  metrics.outboxOldestAge.set(oldestAgeSeconds);
}

async function lags({ connections, metrics }: OutsideParts): Promise<void> {
  const log = await connections.log();
  for (const [group, follows] of Map.groupBy(await readConsumerLags(log, new Map()), (one) => one.group))
    for (const [partition, of] of Map.groupBy(
      follows.flatMap(({ partitions }) => partitions),
      (one) => one.partition,
    )) {
      const lag = of.reduce((sum, one) => sum + one.lag, 0);
      metrics.consumerLag.set({ group, partition: String(partition) }, lag);
    }
}

async function sizes({ connections, metrics }: OutsideParts): Promise<void> {
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
