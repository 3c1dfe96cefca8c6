/** How long the log keeps tombstones. */
import type { Log } from "../../kafka/log.ts";

/** Share of `delete.retention.ms` that a replica may be stopped for. The rest is for clocks and the rebuild. */
const SAFE_SHARE = 0.5;
/** Kafka's default of `delete.retention.ms`. */
const DEFAULT_RETENTION_MS = 86_400_000;

/**
 * How long a database may be behind the topics without missing a delete, in milliseconds: half of the shortest
 * `delete.retention.ms`.
 *
 * @throws the log's error.
 */
export async function maxAbsenceMs(log: Pick<Log, "topicConfig">, topics: readonly string[]): Promise<number> {
  const retentions = await Promise.all(
    topics.map(async (topic) =>
      Number((await log.topicConfig(topic)).get("delete.retention.ms") ?? DEFAULT_RETENTION_MS),
    ),
  );
  return Math.min(...retentions) * SAFE_SHARE;
}
