/** Writes a canary every so often while this relay leads: so there is one writer, however many relays and gateways run. */
import type { Sql } from "postgres";
import { CANARY_ID } from "../contracts/entities/canary.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import writeText from "./canary.sql" with { type: "text" };

/** @param everyS seconds from one to the next; 0 writes none. @param sql a connection that is not the relay's session: it may be held up. */
export function startCanary(
  deps: { readonly sql: Sql; readonly metrics: Pick<Metrics, "canaryWrites">; readonly logger: Logger },
  everyS: number,
): Disposable {
  const { sql, metrics, logger } = deps;
  let writing = false;
  const write = async () => {
    // One that is held up is late, and must not be followed by all those that would have come meanwhile.
    if (writing) return;
    writing = true;
    const outcome = await sql.unsafe(writeText, [CANARY_ID], { prepare: true }).then(
      () => "written",
      (error) => {
        logger.debug({ err: error }, "the canary was not written");
        return "failed";
      },
    );
    metrics.canaryWrites.inc({ outcome });
    writing = false;
  };
  if (everyS === 0) return { [Symbol.dispose]() {} };
  void write();
  const timer = setInterval(() => void write(), everyS * 1_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
