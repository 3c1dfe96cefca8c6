/**
 * What goes the whole way every few seconds, so that an idle system tells its latency too: written in the source by the leading relay, then
 * routed, applied and cached like anything else. It is none of `entities`, so that no list, route, verification or verb knows of it.
 */
import { defineEntity, defineReplica, integer } from "../entity/entity.ts";
import { replicaNames } from "./index.ts";

const fields = { beat: integer({ min: 0, max: Number.MAX_SAFE_INTEGER, initial: 0 }) };

export const canary = defineEntity({
  name: "canary",
  plural: "canaries",
  schemaVersion: 1,
  fields,
  unique: [],
  replicas: replicaNames.map((name) => defineReplica(fields, { name })),
});

/** The only one there is: all of its changes are in order. */
export const CANARY_ID = "00000000-0000-7000-8000-000000000000";
