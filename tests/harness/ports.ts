import { randomInt } from "node:crypto";
import { isFree } from "../../stack/ports.ts";

/** Above the ports of stacks, and below those that the system hands out by itself, so that no client's connection takes one meanwhile. */
const FIRST = 21_000;
const END = 32_000;
const given = new Set<number>();

/**
 * A port that is free now, and that no other test is given: none twice in this process, and test processes that run side by side
 * choose from ranges of their own. Between this answer and the server that listens seconds may lie.
 */
export async function freePort(): Promise<number> {
  const { part, parts } = ownPart();
  const size = Math.floor((END - FIRST) / parts);
  for (;;) {
    const port = FIRST + (part - 1) * size + randomInt(size);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
}

/** `TEST_PORTS_PART=n/m`: of all ports the nth part of m is this process'. */
export function ownPart(): { readonly part: number; readonly parts: number } {
  const [part = 1, parts = 1] = (process.env.TEST_PORTS_PART ?? "1/1").split("/").map(Number);
  return { part, parts };
}
