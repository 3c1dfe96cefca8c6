/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a client that did not receive the answer to a write
 * sends the write again with the same key. The gateway then returns the first result and does not write twice.
 *
 * - The write's own statement stores the key, so a crash cannot keep one without the other.
 * - The key is unique in the database. Of two concurrent requests, also at two gateways, one writes and the other
 *   returns the result of the first.
 * - A rejected write changes nothing and stores no key: the same request may succeed later.
 */
import type { Context } from "hono";
import { RequestError } from "../contracts/errors.ts";
import type { Logger } from "../observability/logger.ts";
import { isRejected } from "../platform/postgres/errors.ts";
import type { Source } from "./source.ts";
import deleteExpiredKeys from "./statements/delete-expired-keys.sql" with { type: "text" };
import { execute } from "./statements/execute.ts";
import lookupKeySql from "./statements/lookup-key.sql" with { type: "text" };
import type { WriteRow } from "./write-batcher.ts";
import type { IdempotencyKey, WriteContext } from "./write-context.ts";

const HEADER = "Idempotency-Key";
/** The key as a structured-field string (RFC 9651), as the draft requires, or bare; visible ASCII. */
export const KEY_PATTERN = /^(?:"([ !#-[\]-~]{1,255})"|([!#-~]{1,255}))$/;

/** Interval between two deletions of expired keys, in milliseconds. */
const EXPIRY_INTERVAL_MS = 3_600_000;
/** Keys that one statement deletes at most, so that it blocks no write for long. */
const EXPIRY_BATCH = 5_000;

/**
 * Adds the idempotency key to a write's context when the request has one.
 *
 * @param collection path of the collection that the request writes to.
 * @param content the request's content beside its path, as JSON whose order does not depend on the client.
 * @throws {RequestError} MALFORMED for an invalid key.
 */
export function withIdempotency(c: Context, collection: string, content: unknown, context: WriteContext): WriteContext {
  const header = c.req.header(HEADER);
  if (header === undefined) return context;
  const [, quoted, bare] = KEY_PATTERN.exec(header.trim()) ?? [];
  const key = quoted ?? bare;
  if (key === undefined) {
    const detail = "must be 1 to 255 visible ASCII characters, in quotation marks or bare";
    throw new RequestError("MALFORMED", `The header ${HEADER} ${detail}.`, {
      violations: [{ pointer: HEADER, detail }],
    });
  }
  const idempotencyKey = {
    key: hash([context.actor ?? null, c.req.method, collection, key]),
    fingerprint: hash([c.req.path, content]),
  };
  return { ...context, idempotencyKey };
}

const hash = (value: unknown): string =>
  new Bun.CryptoHasher("sha256").update(JSON.stringify(value)).digest("base64url");

/**
 * Runs a write, or returns the result of an earlier request with the same key.
 *
 * The second lookup covers a concurrent request with the key. When that one wins, this write fails: the unique value is
 * taken, or the version has changed.
 *
 * @throws {RequestError} KEY_REUSED when the key belongs to another request; and whatever `write` throws.
 */
export async function executeIdempotent(
  source: Pick<Source, "query">,
  key: IdempotencyKey,
  write: () => Promise<WriteRow>,
): Promise<WriteRow> {
  const earlier = await lookupKey(source, key);
  if (earlier) return earlier;
  try {
    const row = await write();
    return row.doc ? row : ((await lookupKey(source, key)) ?? row);
  } catch (error) {
    const concurrent = isRejected(error) && (await lookupKey(source, key));
    if (concurrent) return concurrent;
    throw error;
  }
}

async function lookupKey(
  source: Pick<Source, "query">,
  { key, fingerprint }: IdempotencyKey,
): Promise<WriteRow | undefined> {
  const [stored] = await execute<StoredKey>(source, lookupKeySql, [key]);
  if (!stored) return undefined;
  if (stored.fingerprint !== fingerprint)
    throw new RequestError(
      "KEY_REUSED",
      `Another request has used this ${HEADER}. Repeat that request without changes, or send this one with a new key.`,
      { violations: [{ pointer: HEADER, detail: "belongs to another request" }] },
    );
  return { doc: stored.doc, version: null, taken: null, written: stored.version, replayed: true };
}

interface StoredKey {
  readonly fingerprint: string;
  /** JSON. */
  readonly doc: string;
  readonly version: number | null;
}

/** Deletes expired keys every hour. Every gateway of a source does; concurrent deletions do not disturb each other. */
export class KeyExpiry implements Disposable {
  private readonly timer: Timer;

  /** @param hours age at which a key expires. */
  constructor(
    private readonly source: Pick<Source, "query">,
    private readonly hours: number,
    private readonly logger: Logger,
  ) {
    this.timer = setInterval(
      () =>
        this.deleteExpired().catch((error) =>
          logger.debug({ err: error }, "could not delete expired idempotency keys; trying again in an hour"),
        ),
      EXPIRY_INTERVAL_MS,
    );
  }

  /** Deletes all expired keys. @throws {DatabaseUnavailableError} and the errors of the database. */
  async deleteExpired(): Promise<void> {
    for (let total = 0; ; ) {
      const { count } = await this.source.query((sql) => sql.unsafe(deleteExpiredKeys, [this.hours, EXPIRY_BATCH]));
      total += count;
      if (count === EXPIRY_BATCH) continue;
      if (total > 0) this.logger.debug({ keys: total }, "deleted expired idempotency keys");
      return;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }
}
