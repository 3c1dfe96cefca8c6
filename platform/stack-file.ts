/** The state file of a stack: the supervisor writes it into the data folder; `status` and operations read it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One process or server of a stack, as its clients see it. */
export interface StackEntry {
  readonly name: string;
  readonly kind: string;
  /** Counts from 1. */
  readonly instance: number;
  /** Address for clients. It may contain a password. */
  readonly url: string;
  /** Address that all instances of the service share: any of them responds. */
  readonly sharedUrl?: string | undefined;
}

/** Default data folder of a stack. */
export const DEFAULT_DATA = ".lockstep";

/** Path of the state file in a data folder. */
export const stackFileOf = (data: string): string => join(data, "stack.json");

/**
 * Reads the state file.
 *
 * @returns undefined when no stack runs in this folder.
 * @throws {Error} when the file is not JSON.
 */
export function readStackFile<State extends { readonly entries: readonly StackEntry[] }>(
  data: string,
): State | undefined {
  const file = stackFileOf(data);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as State) : undefined;
}
