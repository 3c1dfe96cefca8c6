/** The operator's side of the control topic `lockstep.control`: writes and reads which services are paused. */
import { type Control, decodeControl, replicaKey, STREAM_KEY } from "../../contracts/control.ts";
import { replicaNames } from "../../contracts/entities/index.ts";
import { controlTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";

const controlPartition = { topic: controlTopic.name, partition: 0 };

/** Names of the services that can be paused: `stream` and each replica. */
export const pausableServices: readonly string[] = ["stream", ...replicaNames];

const keyOf = (name: string): string => (name === "stream" ? STREAM_KEY : replicaKey(name));

/**
 * Pauses or resumes one of {@link pausableServices}.
 *
 * @returns false when the control topic had that state already.
 * @throws {Error} when the log is unavailable, or another operator writes at the same time.
 */
export async function setPaused(log: Log, name: string, paused: boolean, reason?: string): Promise<boolean> {
  const key = keyOf(name);
  const wasPaused = (await readControls(log)).get(key)?.paused ?? false;
  // A second record would change nothing but the time of the pause.
  if (wasPaused && paused) return false;
  const control: Control = { paused, at: new Date().toISOString(), ...(reason ? { reason } : {}) };
  // Also when no pause is known: the topic may have lost it, and the service is still paused.
  await writeControl(log, key, JSON.stringify(control));
  return wasPaused !== paused;
}

/** Writes a control record. @throws {Error} when the log rejects it, or another operator writes at the same time. */
export async function writeControl(log: Log, key: string, value: string): Promise<void> {
  const writer = await log.openWriter("lockstep.operations.control", [controlPartition]);
  try {
    await writer.write(controlPartition, [{ key, value, headers: {} }]);
  } finally {
    await writer.close();
  }
}

/**
 * The newest control record of each key; empty when no service was ever paused.
 *
 * @throws {Error} when the log is unavailable.
 */
export async function readControls(log: Log): Promise<Map<string, Control>> {
  const controls = new Map<string, Control>();
  const { first, next } = (await log.offsets(controlPartition.topic)).get(controlPartition.partition)!;
  for await (const records of log.read(controlPartition, first, next))
    for (const { key, value } of records) {
      const control = decodeControl(value);
      if (key && control) controls.set(key.toString(), control);
    }
  return controls;
}
