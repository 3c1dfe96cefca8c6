/**
 * The issuer's public keys. They come only from the URL of LOCKSTEP_AUTH_JWKS, never from a place that a token names.
 *
 * Keys are fetched at the start, every ten minutes, and when a token names an unknown key. If a fetch fails, the
 * previous keys stay in use.
 */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from "jose";
import { LockstepError } from "../../contracts/errors.ts";
import type { Logger } from "../../observability/logger.ts";
import { Outage } from "../../observability/outage.ts";
import type { Check } from "../service.ts";

/** When keys are fetched, in milliseconds. */
export interface KeyRefreshTimes {
  /** Longest duration of one fetch. */
  readonly timeoutMs: number;
  /** From a successful fetch to the next. */
  readonly refreshMs: number;
  /** After a successful fetch, unknown keys cause no other fetch for this time. */
  readonly cooldownMs: number;
  /** Least time from the start of one fetch to the start of the next, successful or not. */
  readonly minIntervalMs: number;
}

const REFRESH_TIMES: KeyRefreshTimes = {
  timeoutMs: 2_000,
  refreshMs: 600_000,
  cooldownMs: 30_000,
  minIntervalMs: 5_000,
};
const MAX_KEY_ID_LENGTH = 256;

/** The issuer's keys have never been fetched, so no token can be verified. */
export class KeySetUnavailableError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super("KEY_SET_UNAVAILABLE", message, options);
  }
}

/** The keys of one issuer, kept up to date until {@link IssuerKeys.close}. */
export class IssuerKeys {
  private readonly set: ReturnType<typeof createRemoteJWKSet>;
  private readonly outage: Outage;
  private timer: Timer | undefined;
  private lastFetchMs = Number.NEGATIVE_INFINITY;
  private closed = false;

  /** @param url of a JWK set (RFC 7517): https, http, or file. */
  constructor(
    url: string,
    logger: Logger,
    private readonly times: KeyRefreshTimes = REFRESH_TIMES,
  ) {
    this.outage = new Outage(
      logger,
      "the issuer's keys cannot be fetched; check LOCKSTEP_AUTH_JWKS and the issuer",
      "the issuer's keys can be fetched again",
    );
    this.set = createRemoteJWKSet(new URL(url), {
      timeoutDuration: times.timeoutMs,
      cooldownDuration: times.cooldownMs,
      cacheMaxAge: Number.POSITIVE_INFINITY, // `refresh` renews the keys, so no request waits for it
      [customFetch]: (at, init) => this.fetch(at, init),
    });
    void this.refresh();
  }

  /** Readiness: without any keys the service must reject every request. */
  readonly check: Check = {
    condition: "signing-keys-unavailable",
    blocksReadiness: true,
    problem: () => (this.set.jwks() ? undefined : "not fetched yet; the log says why"),
  };

  /**
   * The key that a token's header names.
   *
   * @throws {KeySetUnavailableError} while no keys have been fetched.
   * @throws {errors.JOSEError} when the issuer has no such key.
   */
  readonly keyFor: JWTVerifyGetKey = async (header, token) => {
    if ((header.kid?.length ?? 0) > MAX_KEY_ID_LENGTH) throw new errors.JWKSNoMatchingKey();
    try {
      return await this.set(header, token);
    } catch (cause) {
      if (this.set.jwks()) throw new errors.JWKSNoMatchingKey(undefined, { cause });
      throw new KeySetUnavailableError("the issuer's keys cannot be fetched", { cause });
    }
  };

  /** Stops refreshing. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async refresh(): Promise<void> {
    let delayMs = this.times.refreshMs;
    try {
      await this.set.reload();
      this.outage.ended();
    } catch (error) {
      this.outage.failed(error);
      delayMs = this.times.minIntervalMs;
    }
    if (this.closed) return;
    // A timer, not a `sleep`: it must not keep the process alive.
    this.timer = setTimeout(() => void this.refresh(), delayMs);
    this.timer.unref();
  }

  /** Limits the rate of fetches, however many tokens need one: requests must not flood an issuer that is down. */
  private async fetch(url: string, init: RequestInit): Promise<Response> {
    const now = performance.now();
    const sinceMs = now - this.lastFetchMs;
    if (sinceMs < this.times.minIntervalMs)
      throw new Error(
        `the issuer's keys could not be fetched (last attempt ${seconds(sinceMs)} s ago); ` +
          `next attempt possible in ${seconds(this.times.minIntervalMs - sinceMs)} s`,
      );
    this.lastFetchMs = now;
    return fetch(url, init);
  }
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
