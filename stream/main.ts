/** Wires the stream: the HTTP port, the log, the version store. */
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLEARED_LOSSES_KEY, decodeClearedLosses, STREAM_KEY } from "../contracts/control.ts";
import { requireMaskKeys } from "../contracts/entity/mask-keys.ts";
import { eventsTopic, streamGroup } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { ConsumeOptions } from "../kafka/log.ts";
import { brokerOptions } from "../kafka/security.ts";
import { reportDisk } from "../observability/disk.ts";
import { TopicKeeper } from "../pipeline/keep-topics.ts";
import { PauseControl } from "../pipeline/pause.ts";
import { serveHttp } from "../platform/http/server.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { replicationOptionsOf, type Settings } from "../platform/settings/settings.ts";
import { AssignedPartitions } from "./assigned-partitions.ts";
import { DeadLetterCounter } from "./count-dead-letters.ts";
import { LogCheck } from "./health.ts";
import { PartitionWatch } from "./partition-watch.ts";
import { VersionStore } from "./version-store.ts";

/** Bytes per fetch and concurrent batches limit the memory: with 1 MiB and 12, a bulk load took 550 MB and more CPU. */
const FETCH_BYTES = 131_072;
const CONCURRENCY = 4;

/** @throws {Error} when the brokers cannot be reached, or the key of a mask is missing. */
export async function startStream({ settings, logger, metrics, project }: ServiceDeps): Promise<Service> {
  requireMaskKeys(project.allEntities);
  const logCheck = new LogCheck();
  const pause = new PauseControl({ logger, metrics, project });
  const watch = new PartitionWatch(project.allEntities);
  const topics = new TopicKeeper({ settings, logger, project });
  const checks = [logCheck, topics.check, pause.check, ...watch.checks];
  const http = serveHttp(serviceApp({ checks, metrics, logger }), settings);
  const log = await connectLog({ ...brokerOptions(settings), clientId: "lockstep-stream", logger, metrics });
  await topics.start(log);
  const control = await pause.watch(log, STREAM_KEY, replicationOptionsOf(settings), ({ key, value }) => {
    if (key?.toString() === CLEARED_LOSSES_KEY) watch.clearLosses(decodeClearedLosses(value));
  });
  const folder = stateFolder(settings);
  const stopDiskReport = reportDisk(folder, { metrics, logger });
  const versions = new VersionStore(join(folder, "known-versions.sqlite"));
  const partitions = new AssignedPartitions({ log, versions, logger, metrics }, project);
  const consumer = await log.consume({ ...consumeOptions({ settings, project }, partitions), paused: pause.paused });
  partitions.attach(consumer);
  logCheck.attach(consumer);
  pause.attach(consumer);
  watch.start({ log, partitions, logger }, consumer);
  const counted = { log, versions, assigned: consumer.assigned, logger, metrics };
  const deadLetters = new DeadLetterCounter(counted, project.entities);

  return {
    ended: Promise.race([consumer.ended, control.ended]),
    async stop() {
      stopDiskReport();
      topics[Symbol.dispose]();
      watch[Symbol.dispose]();
      await deadLetters.close();
      await consumer.close();
      await partitions.close();
      versions[Symbol.dispose]();
      await log.close();
      await http.stop();
    },
  };
}

/** Without a configured folder the state is lost at the end; the next start reads it from the versions topic. */
function stateFolder({ LOCKSTEP_STATE_DIR }: Settings): string {
  const folder = LOCKSTEP_STATE_DIR ?? mkdtempSync(join(tmpdir(), "lockstep-stream-"));
  mkdirSync(folder, { recursive: true });
  return folder;
}

const consumeOptions = (
  { settings, project }: Pick<ServiceDeps, "settings" | "project">,
  partitions: AssignedPartitions,
): ConsumeOptions => ({
  group: streamGroup(project),
  topics: project.allEntities.map((entity) => eventsTopic(entity).name),
  onBatch: (batch) => partitions.process(batch),
  onAssigned: (assigned) => partitions.onAssigned(assigned),
  onRevoked: (revoked) => partitions.onRevoked(revoked),
  onInterrupted: (at) => void partitions.onInterrupted(at),
  maxBytesPerPartition: FETCH_BYTES,
  concurrency: CONCURRENCY,
  sessionTimeoutMs: settings.LOCKSTEP_SESSION_TIMEOUT_MS,
  ...(settings.LOCKSTEP_INSTANCE ? { groupInstanceId: settings.LOCKSTEP_INSTANCE } : {}),
});
