/** P2: a request that is repeated with its idempotency key is carried out once, and gets the first answer. */
import type { Checker } from "../checker.ts";
import type { WriteOperation } from "../history.ts";
import { at } from "./timeline.ts";

/** Compares the answers of each key. */
export const idempotency: Checker = {
  name: "idempotency",
  promises: ["P2"],
  proves: "All answers to one idempotency key name the same entity, version and content.",
  cannotSee: "A second effect whose answer was lost; the checker `acknowledged` finds it by its content.",
  check: ({ operations }) => {
    const keyed = operations.filter(
      (one): one is WriteOperation => one.kind !== "read" && one.key !== undefined && one.outcome === "committed",
    );
    return [...Map.groupBy(keyed, ({ key }) => key)].flatMap(([key, answers]) => {
      const [first, ...others] = answers;
      const other = others.find(
        ({ id, version, body }) => id !== first!.id || version !== first!.version || body !== first!.body,
      );
      if (!other) return [];
      const sentence =
        `The key ${key} was answered with version ${first!.version} of ${first!.id} at ${at(first!.end)}, and with ` +
        `${other.id === first!.id && other.version === first!.version ? "another body" : `version ${other.version} of ${other.id}`} at ${at(other.end)}`;
      return [{ promise: "P2", sentence, operations: [first!, other] }];
    });
  },
};
