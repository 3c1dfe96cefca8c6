/** Measures the size of each database from outside: no service knows the size of another one's. */
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Connections } from "../../operations/connect.ts";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import type { Service } from "../../platform/service.ts";

/** Collaborators of {@link measureDatabaseSizes}. */
export interface DatabaseSizesDeps {
  readonly connections: Connections;
  readonly metrics: Pick<Metrics, "databaseSize">;
  readonly logger: Logger;
}

/**
 * Measures every `intervalMs` milliseconds until the service is stopped. A failed measurement is logged at debug level
 * and repeated at the next interval, so `ended` never rejects. `stop` does not wait for a measurement in flight: it
 * ends when the connections are closed.
 */
export function measureDatabaseSizes(deps: DatabaseSizesDeps, intervalMs: number): Service {
  const ending = new AbortController();
  const loop = async () => {
    while (!ending.signal.aborted) {
      await measure(deps).catch((error) =>
        deps.logger.debug({ err: error }, "the size of a database is not known; retrying at the next interval"),
      );
      await sleepUnlessAborted(intervalMs, ending.signal);
    }
  };
  return {
    ended: loop(),
    async stop() {
      ending.abort();
    },
  };
}

async function measure({ connections, metrics }: DatabaseSizesDeps): Promise<void> {
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
