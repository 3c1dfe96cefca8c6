/** The file in a data folder that tells what runs there: written by the supervisor, read by `status` and by operations. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One process or server, as far as a client of it must know. */
export interface StackEntry {
  readonly name: string;
  readonly kind: string;
  /** From 1. */
  readonly instance: number;
  /** What a client connects with; it may hold a password. */
  readonly url: string;
  /** What clients of a service with several instances connect with: one of them answers. */
  readonly sharedUrl?: string | undefined;
}

const services: readonly string[] = ["gateway", "relay", "stream", "replica", "console"];

/** True for a process of ours; false for a server that they work on, or that watches them. */
export const isService = ({ kind }: Pick<StackEntry, "kind">): boolean => services.includes(kind);

/** Where a stack keeps everything unless it is told otherwise. */
export const DEFAULT_DATA = ".lockstep";

export const stackFileOf = (data: string): string => join(data, "stack.json");

/** What the file says; undefined when no stack was started there, or was stopped. */
export function readStackFile<State extends { readonly entries: readonly StackEntry[] }>(
  data: string,
): State | undefined {
  const file = stackFileOf(data);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as State) : undefined;
}
