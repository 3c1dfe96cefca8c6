/** Records of an events topic that are no valid event. Each must become one dead letter with its bytes (P6). */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import { encodeEvent, header } from "../../../contracts/event.ts";
import { partitionForKey } from "../../../kafka/partitioner.ts";
import type { Random } from "../../random.ts";
import type { Plant } from "./plant.ts";

/** What is wrong with a record, by name. */
const kinds = ["no-event", "no-value", "no-json", "wrong-schema", "future-schema", "wrong-type", "wrong-key"] as const;

/** Returns `count` invalid records of random kinds. Each has bytes of its own. */
export const poisonOf = (entity: EntityDeclaration, partitions: number, random: Random, count: number): Plant[] =>
  Array.from({ length: count }, () => onePoison(entity, partitions, random));

/** An id in the form of the entities' own (UUID version 7). */
function randomId(random: Random): string {
  const digits = (count: number) => Array.from({ length: count }, () => random.int(0, 15).toString(16)).join("");
  return `${digits(8)}-${digits(4)}-7${digits(3)}-8${digits(3)}-${digits(12)}`;
}

function onePoison(entity: EntityDeclaration, partitions: number, random: Random): Plant {
  const id = randomId(random);
  const document = { ...entity.example, id, version: 1 };
  const time = "2026-01-01T00:00:00.000000Z";
  const { schemaVersion } = entity;
  const event = { entity: entity.name, id, version: 1, operation: "upserted" as const, time, schemaVersion, document };
  const { key, value, headers } = encodeEvent(event);
  const message = { key, value, headers };
  const at = (invalid: Plant["message"]): Plant => {
    const partition = invalid.key === null ? 0 : partitionForKey(Buffer.from(invalid.key), partitions);
    return { kind: "poison", partition, message: invalid };
  };
  const kind = random.pick(kinds);
  switch (kind) {
    case "no-event":
      return at({ key, value: `not an event: ${id}`, headers: {} });
    case "no-value":
      return at({ ...message, value: null });
    case "no-json":
      return at({ ...message, value: `{ "id": "${id}"` });
    case "wrong-schema":
      return at({ ...message, value: JSON.stringify({ ...document, unknown: true }) });
    case "future-schema":
      return at({ ...message, headers: { ...headers, [header.schemaVersion]: String(schemaVersion + 90) } });
    case "wrong-type":
      return at({ ...message, headers: { ...headers, [header.type]: `lockstep.${entity.name}.renamed` } });
    case "wrong-key":
      return at({ ...message, key: `key-of-${id}` });
    default:
      return kind satisfies never;
  }
}
