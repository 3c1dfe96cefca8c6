import { FREE_PORTS, freePort as freePortOf } from "../../stack/ports.ts";

/** Returns a free port. Concurrent test processes use disjoint ranges. */
export function freePort(): Promise<number> {
  const { part, parts } = portsPart();
  const size = Math.floor((FREE_PORTS.to - FREE_PORTS.from) / parts);
  const from = FREE_PORTS.from + (part - 1) * size;
  return freePortOf({ from, to: from + size });
}

/** Reads `TEST_PORTS_PART=n/m`: this process uses the nth of m equal parts of all ports. Default 1/1. */
export function portsPart(): { readonly part: number; readonly parts: number } {
  const [part = 1, parts = 1] = (process.env.TEST_PORTS_PART ?? "1/1").split("/").map(Number);
  return { part, parts };
}
