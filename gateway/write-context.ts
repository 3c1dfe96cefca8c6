/** What accompanies a write beside its content. */

/** Identifies a write that runs once, however often its client sends it (idempotency.ts). */
export interface IdempotencyKey {
  /** Hash of the client's key together with its scope: the client, the method and the collection. */
  readonly key: string;
  /** Hash of the request. A key belongs to one request; the same key with another request is an error. */
  readonly fingerprint: string;
}

/**
 * The context of a write. Its JSON is `$2` of the statements: the trigger copies `traceparent` and `actor` into the
 * outbox row, and store-key.sql reads `idempotencyKey`.
 */
export interface WriteContext {
  readonly traceparent: string;
  /** Subject of the client's token. Missing: the gateway runs without authentication. */
  readonly actor?: string;
  /** Missing: the client sent no `Idempotency-Key`. */
  readonly idempotencyKey?: IdempotencyKey;
}
