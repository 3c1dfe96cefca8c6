/** Free ports of this machine. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** True when a server could listen on this port now. */
export function isFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** Range of {@link freePort}: above the ports of stacks, below those that the system assigns to clients. */
export const FREE_PORTS = { from: 21_000, to: 32_000 };
const issued = new Set<number>();

/**
 * A random port that is free now. Each port is returned once per process, because its server may listen seconds later.
 *
 * @param range `from` is the first port, `to` is one above the last.
 */
export async function freePort({ from, to } = FREE_PORTS): Promise<number> {
  for (;;) {
    const port = randomInt(from, to);
    if (issued.has(port)) continue;
    issued.add(port);
    if (await isFree(port)) return port;
  }
}
