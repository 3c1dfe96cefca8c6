/** The topics that relay, stream and replicas need: whichever starts first makes them. */
import { canary } from "../contracts/entities/canary.ts";
import { entities } from "../contracts/entities/index.ts";
import { CANARY_PARTITIONS, topicsOf } from "../contracts/topics.ts";
import type { Log } from "../kafka/log.ts";
import { copiesOf, type Settings } from "../platform/settings/settings.ts";

/** Makes what is missing of all entities' topics and the canary's. @throws {Error} when one is there with other partitions, or brokers are away. */
export async function ensureFlowTopics(log: Pick<Log, "ensureTopics">, settings: Settings): Promise<void> {
  const copies = copiesOf(settings);
  await log.ensureTopics(entities.flatMap(topicsOf), { ...copies, partitions: settings.LOCKSTEP_PARTITIONS });
  await log.ensureTopics(topicsOf(canary), { ...copies, partitions: CANARY_PARTITIONS });
}
