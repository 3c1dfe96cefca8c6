/**
 * The canary: one row that the leading relay updates every few seconds. It takes the path of every other entity to all
 * replicas and caches, so that an idle system still reports its latency.
 */
import { defineEntity, defineReplica, type EntityDeclaration } from "./entity/declaration.ts";
import { integer } from "./entity/fields.ts";

const fields = { beat: integer({ min: 0, max: Number.MAX_SAFE_INTEGER, initial: 0 }) };

/** Declares the canary for these replicas. It is internal: users see it in no list, route, verification or command. */
export const declareCanary = (replicaNames: readonly string[], namespace: string): EntityDeclaration => ({
  ...defineEntity({
    name: "canary",
    plural: "canaries",
    internal: true,
    schemaVersion: 1,
    fields,
    unique: [],
    replicas: replicaNames.map((name) => defineReplica(fields, { name })),
  }),
  namespace,
});

/** Id of the canary's only row. One row keeps all of its changes in order. */
export const CANARY_ID = "00000000-0000-7000-8000-000000000000";
