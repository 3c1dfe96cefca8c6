/** What all clients share: the clock of the run, addresses, and the history that they write. */
import type { Operation } from "../history.ts";
import type { Random } from "../random.ts";
import type { SystemAddresses } from "../system.ts";
import type { Entities } from "./entities.ts";

/** What a client works with. */
export interface ClientDeps {
  /** Which client: `writer 3`. */
  readonly name: string;
  /** Text that no other run has: a repeated seed must not repeat names and idempotency keys on one system. */
  readonly run: string;
  readonly random: Random;
  readonly addresses: SystemAddresses;
  readonly entities: Entities;
  /** Milliseconds since the start of the run. */
  readonly now: () => number;
  readonly record: (operation: Operation) => void;
  /** Aborted to end the client after its operation. */
  readonly signal: AbortSignal;
}

/** Longest time for an answer, in milliseconds: a suspended process does not answer. */
export const ANSWER_TIMEOUT_MS = 5_000;

/** The path of an entity's URL. */
export const pathOf = (id: string): string => `/products/${id}`;

/** The version in an `ETag`; undefined without one. */
export function versionOf(headers: Headers): number | undefined {
  const version = Number(headers.get("etag")?.replaceAll('"', "") ?? Number.NaN);
  return Number.isSafeInteger(version) ? version : undefined;
}
