/** The control topic from the operator's side: says who is paused, and reads it back. */
import { type Control, decodeControl, replicaKey, STREAM_KEY } from "../../contracts/control.ts";
import { replicaNames } from "../../contracts/entities/index.ts";
import { controlTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";

const place = { topic: controlTopic.name, partition: 0 };

/** Names of those who can be paused. */
export const pausableServices: readonly string[] = ["stream", ...replicaNames];

const keyOf = (name: string): string => (name === "stream" ? STREAM_KEY : replicaKey(name));

/**
 * Pauses one of {@link pausableServices}, or lets it go on.
 *
 * @returns false when it was so already. @throws {Error} as {@link writeControl} does.
 */
export async function setPaused(log: Log, name: string, paused: boolean, reason?: string): Promise<boolean> {
  const key = keyOf(name);
  const before = (await readControls(log)).get(key)?.paused ?? false;
  // Said once more it would only move the time since when.
  if (before === paused) return false;
  await writeControl(log, key, { paused, at: new Date().toISOString(), ...(reason ? { reason } : {}) });
  return true;
}

/** @throws {Error} when the log does not take it, or another operator says something at the same moment. */
export async function writeControl(log: Log, key: string, control: Control): Promise<void> {
  const writer = await log.openWriter("lockstep.operations.control", [place]);
  try {
    await writer.write(place, [{ key, value: JSON.stringify(control), headers: {} }]);
  } finally {
    await writer.close();
  }
}

/** What was last said to each; empty when nobody was ever paused. */
export async function readControls(log: Log): Promise<Map<string, Control>> {
  const said = new Map<string, Control>();
  const { first, next } = (await log.offsets(place.topic)).get(place.partition)!;
  for await (const records of log.read(place, first, next))
    for (const { key, value } of records) {
      const control = decodeControl(value);
      if (key && control) said.set(key.toString(), control);
    }
  return said;
}
