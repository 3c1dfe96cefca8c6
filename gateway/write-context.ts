/** What goes with a write beside what it writes. */

/** A write that is to be carried out once, however often it is asked for (idempotency.ts). */
export interface IdempotencyKey {
  /** The client's key within what it may be used for: one client, one method, one collection. */
  readonly key: string;
  /** Of what was asked: a key goes with one request. */
  readonly fingerprint: string;
}

/** What travels with a write into the outbox, and into what is remembered of it. */
export interface WriteContext {
  readonly traceparent: string;
  readonly actor?: string;
  /** Set for a write that its client may repeat. */
  readonly idempotencyKey?: IdempotencyKey;
}
