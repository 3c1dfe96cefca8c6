/**
 * Caches verified tokens for a minute. Clients send the same token for minutes, and one verification takes 73 µs of CPU
 * (RS256) to 123 µs (EdDSA).
 */
import type { Caller } from "./verify.ts";

/** Shorter than the refresh interval of the issuer's keys, so caching hardly delays the removal of a key. */
const MAX_AGE_MS = 60_000;
/** Tokens in the cache, of at most 8 kB each. The oldest one is evicted first. */
const MAX_TOKENS = 1_000;

/**
 * Wraps `verify` with a cache. Rejected tokens are not cached.
 *
 * @param verify throws for a token that is not valid.
 * @param now current time, in milliseconds since 1970.
 */
export function memoizeToken(
  verify: (token: string) => Promise<Caller>,
  now = Date.now,
): (token: string) => Promise<Caller> {
  const cache = new Map<string, { readonly caller: Caller; readonly expiresMs: number }>();
  return async (token) => {
    const cached = cache.get(token);
    if (cached && now() < cached.expiresMs) return cached.caller;
    cache.delete(token);
    const caller = await verify(token);
    cache.set(token, { caller, expiresMs: Math.min(now() + MAX_AGE_MS, caller.expiresMs) });
    if (cache.size > MAX_TOKENS) cache.delete(cache.keys().next().value!);
    return caller;
  };
}
