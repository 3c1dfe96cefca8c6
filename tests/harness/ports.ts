import { FREE_PORTS, freePort as freePortOf } from "../../stack/ports.ts";

/** A free port for a test. Test processes that run side by side choose from ranges of their own. */
export function freePort(): Promise<number> {
  const { part, parts } = portsPart();
  const size = Math.floor((FREE_PORTS.to - FREE_PORTS.from) / parts);
  const from = FREE_PORTS.from + (part - 1) * size;
  return freePortOf({ from, to: from + size });
}

/** `TEST_PORTS_PART=n/m`: of all ports the nth part of m is this process'. */
export function portsPart(): { readonly part: number; readonly parts: number } {
  const [part = 1, parts = 1] = (process.env.TEST_PORTS_PART ?? "1/1").split("/").map(Number);
  return { part, parts };
}
