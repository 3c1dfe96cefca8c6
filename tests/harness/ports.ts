import { isFree } from "../../stack/ports.ts";

/** A port that is free now; another one each time, most likely, also in tests that run beside. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 40_000 + Math.floor(Math.random() * 9_000);
    if (await isFree(port)) return port;
  }
}
