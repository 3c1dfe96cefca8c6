/** Wires the stream: the log, its memory of versions, its small HTTP port. */
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STREAM_KEY } from "../contracts/control.ts";
import { allEntities, entities } from "../contracts/entities/index.ts";
import { deadLetterTopic, eventsTopic, streamGroup } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { Consumer } from "../kafka/log.ts";
import { brokerOptions } from "../kafka/security.ts";
import { reportDisk } from "../observability/disk.ts";
import { ensureFlowTopics } from "../pipeline/ensure-topics.ts";
import { watchOpenDeadLetters } from "../pipeline/open-dead-letters.ts";
import { Pause } from "../pipeline/pause.ts";
import { serveHttp } from "../platform/http/server.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { replicationOptionsOf } from "../platform/settings/settings.ts";
import { countOpenDeadLetters } from "./count-dead-letters.ts";
import { Topology } from "./topology.ts";
import { VersionStore } from "./version-store.ts";

const COUNT_EVERY_MS = 5_000;
/** What is fetched and decided at a time bounds the memory: with 1 MiB and 12 at a time a bulk took 550 MB and more CPU, not less. */
const FETCH_BYTES = 131_072;
const CONCURRENCY = 4;
/** A follower that no broker has answered for so long is not ready. */
const FETCH_STALE_MS = 10_000;

/** @throws {Error} when the brokers cannot be reached at the start. */
export async function startStream({ settings, logger, metrics }: ServiceDeps): Promise<Service> {
  let follower: Consumer | undefined;
  const pause = new Pause({ logger, metrics });
  const app = serviceApp({
    checks: [
      {
        name: "log",
        problem: () => {
          if (!follower) return "the log is not reached yet";
          return follower.fetchAgeMs() > FETCH_STALE_MS
            ? `no broker has answered for ${follower.fetchAgeMs()} ms`
            : undefined;
        },
      },
      pause.check,
    ],
    metrics,
    logger,
  });
  const http = serveHttp(app, settings);
  const log = await connectLog({ ...brokerOptions(settings), clientId: "lockstep-stream", logger });
  await ensureFlowTopics(log, settings);
  const control = await pause.watch(log, STREAM_KEY, replicationOptionsOf(settings));
  const directory = settings.LOCKSTEP_STATE_DIR ?? mkdtempSync(join(tmpdir(), "lockstep-stream-"));
  mkdirSync(directory, { recursive: true });
  const stopReporting = reportDisk(directory, { metrics, logger });
  const known = new VersionStore(join(directory, "known-versions.sqlite"));
  const topology = new Topology({ log, known, logger, metrics }, allEntities);
  const following = await log.consume({
    group: streamGroup,
    topics: allEntities.map((entity) => eventsTopic(entity).name),
    onBatch: (batch) => topology.process(batch),
    maxBytesPerPartition: FETCH_BYTES,
    concurrency: CONCURRENCY,
    onAssigned: (partitions) => topology.adopt(partitions),
    onRevoked: (partitions) => topology.revoke(partitions),
    paused: pause.paused,
    sessionTimeoutMs: settings.LOCKSTEP_SESSION_TIMEOUT_MS,
    ...(settings.LOCKSTEP_INSTANCE ? { groupInstanceId: settings.LOCKSTEP_INSTANCE } : {}),
  });
  follower = following;
  pause.rule(following);

  const watch = watchOpenDeadLetters(
    { log, logger },
    entities.map((entity) => deadLetterTopic(entity).name),
  );
  const count = async () => {
    const open = watch.letters();
    if (open)
      metrics.deadLetters.set(await countOpenDeadLetters({ log, known, assigned: following.assigned }, open, entities));
  };
  const counting = setInterval(
    () => count().catch((error) => logger.debug({ err: error }, "dead letters not counted")),
    COUNT_EVERY_MS,
  );

  return {
    ended: Promise.race([following.ended, control.ended]),
    async stop() {
      clearInterval(counting);
      stopReporting();
      await watch.close();
      await following.close();
      await topology.close();
      known[Symbol.dispose]();
      await log.close();
      await http.stop();
    },
  };
}
