/** Faults of the log's content: topics and records are lost, and `lockstep resync` makes everything complete again. */
import { sleep } from "../../platform/async/sleep.ts";
import { deleteRecords, deleteTopic } from "../brokers/lose-records.ts";
import { topicNames } from "../brokers/topic-names.ts";
import type { Fault } from "../fault.ts";
import type { System } from "../system.ts";

/** Without the dead letters: nothing else has their bytes (docs/operate/recovery.md). */
const subjects = ({ project }: System): string[] =>
  topicNames(project).filter((name) => !name.endsWith(".dead-letter"));

/** Time in which a resync must succeed, in milliseconds. Other faults may interrupt an attempt. */
const RESYNC_TIMEOUT_MS = 180_000;

/** Runs `lockstep resync`, again after an attempt that another fault has interrupted. */
async function resync(system: System): Promise<void> {
  const deadline = Date.now() + RESYNC_TIMEOUT_MS;
  for (;;) {
    const problem = await system.resync().then(
      ({ equal, text }) => (equal ? undefined : text),
      (error: Error) => error.message,
    );
    if (problem === undefined) return;
    if (Date.now() > deadline)
      throw new Error(`lockstep resync has not succeeded for ${RESYNC_TIMEOUT_MS / 1000} s: ${problem}`);
    await sleep(1_000);
  }
}

const lossOf = (
  what: Pick<Fault, "name" | "summary">,
  lose: (brokers: readonly string[], topic: string) => Promise<void>,
): Fault => ({
  ...what,
  lastsMs: [1_000, 10_000],
  destroys: true,
  subjects,
  inject: async ({ system, subject }) => {
    await lose(system.addresses.brokers, subject);
    return () => resync(system);
  },
});

/** All faults that lose what the log has. */
export const topicFaults: readonly Fault[] = [
  lossOf(
    {
      name: "topic-deleted",
      summary: "A topic is deleted with all its records. At its end chaos runs `lockstep resync`.",
    },
    deleteTopic,
  ),
  lossOf(
    {
      name: "records-deleted",
      summary: "All records of a topic are deleted. At its end chaos runs `lockstep resync`.",
    },
    deleteRecords,
  ),
];
