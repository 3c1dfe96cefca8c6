/** The control topic from the operator's side: says who is paused, and reads it back. */
import { type Control, decodeControl } from "../../contracts/control.ts";
import { controlTopic } from "../../contracts/topics.ts";
import type { Log } from "../../platform/log/log.ts";

const place = { topic: controlTopic.name, partition: 0 };

/** @throws {Error} when the log does not take it, or another operator says something at the same moment. */
export async function tell(log: Log, key: string, control: Control): Promise<void> {
  const writer = await log.openWriter("lockstep.operations.control", [place]);
  try {
    await writer.write(place, [{ key, value: JSON.stringify(control), headers: {} }]);
  } finally {
    await writer.close();
  }
}

/** What was last said to each; empty when nobody was ever paused. */
export async function controls(log: Log): Promise<Map<string, Control>> {
  const said = new Map<string, Control>();
  const { first, next } = (await log.bounds(place.topic)).get(place.partition)!;
  for await (const records of log.read(place, first, next))
    for (const { key, value } of records) {
      const control = decodeControl(value);
      if (key && control) said.set(key.toString(), control);
    }
  return said;
}
