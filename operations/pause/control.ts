/** The operator's side of the control topic `lockstep.control`: writes and reads which services are paused. */
import { type Control, decodeControl, replicaKey, STREAM_KEY } from "../../contracts/control.ts";
import { type Namespaced, type Project, qualify } from "../../contracts/project.ts";
import { controlTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";

const controlPartition = (project: Namespaced) => ({ topic: controlTopic(project).name, partition: 0 });

/** Names of the services that can be paused: `stream` and each replica. */
export const pausableServices = ({ replicaNames }: Pick<Project, "replicaNames">): readonly string[] => [
  "stream",
  ...replicaNames,
];

/** The log, and the project whose control topic is in it. */
export interface ControlDeps {
  readonly log: Log;
  readonly project: Namespaced;
}

const keyOf = (name: string): string => (name === "stream" ? STREAM_KEY : replicaKey(name));

/**
 * Pauses or resumes one of {@link pausableServices}.
 *
 * @returns false when the control topic had that state already.
 * @throws {Error} when the log is unavailable, or another operator writes at the same time.
 */
export async function setPaused(
  { log, project }: ControlDeps,
  name: string,
  paused: boolean,
  reason?: string,
): Promise<boolean> {
  const key = keyOf(name);
  const wasPaused = (await readControls(log, project)).get(key)?.paused ?? false;
  // A second record would change nothing but the time of the pause.
  if (wasPaused && paused) return false;
  const control: Control = { paused, at: new Date().toISOString(), ...(reason ? { reason } : {}) };
  // Also when no pause is known: the topic may have lost it, and the service is still paused.
  await writeControl({ log, project }, key, JSON.stringify(control));
  return wasPaused !== paused;
}

/** Writes a control record. @throws {Error} when the log rejects it, or another operator writes at the same time. */
export async function writeControl({ log, project }: ControlDeps, key: string, value: string): Promise<void> {
  const partition = controlPartition(project);
  const writer = await log.openWriter(qualify(project, "lockstep.operations.control"), [partition]);
  try {
    await writer.write(partition, [{ key, value, headers: {} }]);
  } finally {
    await writer.close();
  }
}

/**
 * The newest control record of each key; empty when no service was ever paused.
 *
 * @throws {Error} when the log is unavailable.
 */
export async function readControls(log: Log, project: Namespaced): Promise<Map<string, Control>> {
  const controls = new Map<string, Control>();
  const at = controlPartition(project);
  const { first, next } = (await log.offsets(at.topic)).get(at.partition)!;
  for await (const records of log.read(at, first, next))
    for (const { key, value } of records) {
      const control = decodeControl(value);
      if (key && control) controls.set(key.toString(), control);
    }
  return controls;
}
