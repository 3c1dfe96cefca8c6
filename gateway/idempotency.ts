/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a client that never heard the answer to a write repeats it with the
 * same key, and is told what the first request did instead of doing it twice.
 *
 * What is remembered stands in the write's own statement, so key and write are there together or not at all, whatever died meanwhile; and
 * the key is unique in the database, so of two requests at once, also at two gateways, one carries it out and the other hears of it.
 * What was refused has changed nothing and is not remembered: repeated, it is tried again.
 */
import type { Context } from "hono";
import { RequestError } from "../contracts/errors.ts";
import type { Logger } from "../observability/logger.ts";
import type { Source } from "./source.ts";
import type { WriteContext } from "./write-context.ts";

const HEADER = "Idempotency-Key";
/** A string of structured fields (RFC 9651) as the draft wants it, or the bare key that most clients send; visible ASCII. */
export const KEY = /^(?:"([ !#-[\]-~]{1,255})"|([!#-~]{1,255}))$/;
const FORGET_EVERY_MS = 3_600_000;
/** Keys forgotten by one statement, so that it holds nobody up. */
const FORGET_AT_ONCE = 5_000;

/**
 * Adds to a write's context what makes it repeatable, when the client asked for that.
 *
 * @param collection whose entity it writes.
 * @param asked what the request says beside its path, in an order that does not depend on the client's.
 * @throws {RequestError} MALFORMED for a key that is none.
 */
export function withIdempotency(c: Context, collection: string, asked: unknown, context: WriteContext): WriteContext {
  const given = c.req.header(HEADER);
  if (given === undefined) return context;
  const [, quoted, bare] = KEY.exec(given.trim()) ?? [];
  const key = quoted ?? bare;
  if (key === undefined) {
    const detail = "must be 1 to 255 visible ASCII characters, in quotation marks or bare";
    throw new RequestError("MALFORMED", `The header ${HEADER} ${detail}.`, {
      violations: [{ pointer: HEADER, detail }],
    });
  }
  const idempotencyKey = {
    key: digest([context.actor ?? null, c.req.method, collection, key]),
    fingerprint: digest([c.req.path, asked]),
  };
  return { ...context, idempotencyKey };
}

const digest = (of: unknown): string => new Bun.CryptoHasher("sha256").update(JSON.stringify(of)).digest("base64url");

/** Forgets keys when their time is over; every gateway of a source does, which harms nobody. */
export class KeyExpiry implements Disposable {
  private readonly timer: Timer;

  constructor(
    private readonly source: Pick<Source, "query">,
    private readonly hours: number,
    private readonly logger: Logger,
  ) {
    this.timer = setInterval(
      () => this.forget().catch((error) => logger.debug({ err: error }, "idempotency keys are forgotten later")),
      FORGET_EVERY_MS,
    );
  }

  /** Forgets all keys that are old enough. */
  async forget(): Promise<void> {
    for (let all = 0; ; ) {
      const { count } = await this.source.query(
        (sql) => sql`
          delete from lockstep.idempotency_keys where key in (
            select key from lockstep.idempotency_keys
            where at < clock_timestamp() - make_interval(hours => ${this.hours}::int) order by at limit ${FORGET_AT_ONCE}::int)`,
      );
      all += count;
      if (count < FORGET_AT_ONCE)
        return void (all > 0 && this.logger.debug({ keys: all }, "idempotency keys forgotten"));
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }
}
