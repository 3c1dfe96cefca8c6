/** The package `lockstep/client`: types of what a gateway and a replica answer. It has no code. */
export type { ErrorCode, Problem, Violation } from "./errors.ts";

/** A page of a list: `GET /products?limit=20`. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Value of the query parameter `cursor` for the next page; null on the last one. */
  readonly nextCursor: string | null;
}
