/** Who acts on the system: writers of the source, and operators who put records into the log. */
import type { EntityId } from "../../contracts/entity/document.ts";
import { header } from "../../contracts/event.ts";
import { eventsTopic } from "../../contracts/topics.ts";
import type { OutgoingRecord } from "../../kafka/log.ts";
import { partitionForKey } from "../../kafka/partitioner.ts";
import { product } from "../project/index.ts";
import type { Change } from "./products.ts";
import type { System } from "./system.ts";

const CHANGES: readonly Change[] = ["active", "active", "active", "draft", "draft", "deleted", "large"];

/** Longest transaction in ms. Its row of the outbox has a low number, and is seen late. */
const LONG_TRANSACTION_MS = 400;

/**
 * Begins one transaction: mostly of one product, sometimes of two, or the resend of one.
 *
 * @param onCommit called with the products, at the moment of the commit.
 */
export function write({ world, source, ids }: System, onCommit: (ids: readonly EntityId[]) => void): void {
  const { random } = world;
  const changes = new Map<EntityId, Change>();
  const count = random.chance(0.15) ? 2 : 1;
  for (let i = 0; i < count; i++) changes.set(random.pick(ids), random.pick(CHANGES));
  const durationMs = random.chance(0.1) ? random.int(50, LONG_TRANSACTION_MS) : random.int(1, 5);
  source.begin(changes, random.chance(0.12), durationMs, () => onCommit([...changes.keys()]));
}

/** Appends a record that the relay did not write: a replayed event, which repeats a change, or no event at all. */
export function replay({ world, broker, ids }: System): void {
  const { random } = world;
  const id = random.pick(ids);
  const at = { topic: eventsTopic(product).name, partition: partitionForKey(id, broker.partitionTotal) };
  const known = broker.partition(at).records;
  if (known.length === 0 || random.chance(0.4)) {
    broker.append(at, [{ key: id, value: "{", headers: { [header.replayOf]: "poison" } }]);
    return;
  }
  const { key, value, headers } = random.pick(known);
  const repeated: OutgoingRecord = { key, value, headers: { ...headers, [header.replayOf]: "replay" } };
  broker.append(at, [repeated]);
}
