/**
 * The issuer's public keys: from where the configuration says and from nowhere else, whatever a token names. Fetched at the start, every
 * ten minutes, and when a token names a key that is not known; a set that cannot be fetched leaves the last good one in place.
 */

import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from "jose";
import { LockstepError } from "../../contracts/errors.ts";
import type { Logger } from "../../observability/logger.ts";
import { Outage } from "../../observability/outage.ts";
import type { Check } from "../service.ts";

/** In milliseconds. */
export interface KeyRefreshTimes {
  /** Longest that one fetch takes. */
  readonly timeOut: number;
  /** From a fetch that worked to the next. */
  readonly refresh: number;
  /** Unknown keys cause none for so long after one that worked. */
  readonly coolDown: number;
  /** From the begin of one to the begin of the next, also while it does not work. */
  readonly apart: number;
}

const PACE: KeyRefreshTimes = { timeOut: 2_000, refresh: 600_000, coolDown: 30_000, apart: 5_000 };
const LONGEST_KEY_ID = 256;

/** There is no key to judge a token by. */
export class KeySetUnavailableError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super("KEY_SET_UNAVAILABLE", message, options);
  }
}

/** One issuer's, for as long as the process lives. */
export class IssuerKeys {
  private readonly set: ReturnType<typeof createRemoteJWKSet>;
  private readonly outage: Outage;
  private timer: Timer | undefined;
  private notBefore = Number.NEGATIVE_INFINITY;
  private closed = false;

  /** @param url of a JWK set (RFC 7517): https, http, or file. */
  constructor(
    url: string,
    logger: Logger,
    private readonly pace: KeyRefreshTimes = PACE,
  ) {
    const { timeOut: timeoutDuration, coolDown: cooldownDuration } = pace;
    this.outage = new Outage(logger, "the issuer's keys cannot be fetched", "the issuer's keys are there again");
    this.set = createRemoteJWKSet(new URL(url), {
      timeoutDuration,
      cooldownDuration,
      cacheMaxAge: Number.POSITIVE_INFINITY, // refreshed beside the requests, so that none waits for it
      [customFetch]: (at, init) => this.fetch(at, init),
    });
    void this.refresh();
  }

  /** While there has never been a set, nobody can be let in. */
  readonly check: Check = {
    name: "issuer's keys",
    problem: () => (this.set.jwks() ? undefined : "not fetched yet; the log says why"),
  };

  /** The key that a token's header names. @throws {KeySetUnavailableError}; {errors.JOSEError} when the issuer has none such. */
  readonly keyFor: JWTVerifyGetKey = async (header, token) => {
    if ((header.kid?.length ?? 0) > LONGEST_KEY_ID) throw new errors.JWKSNoMatchingKey();
    try {
      return await this.set(header, token);
    } catch (cause) {
      if (this.set.jwks()) throw new errors.JWKSNoMatchingKey(undefined, { cause });
      throw new KeySetUnavailableError("the issuer's keys cannot be fetched", { cause });
    }
  };

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async refresh(): Promise<void> {
    let again = this.pace.refresh;
    try {
      await this.set.reload();
      this.outage.ended();
    } catch (error) {
      this.outage.failed(error);
      again = this.pace.apart;
    }
    if (this.closed) return;
    this.timer = setTimeout(() => void this.refresh(), again);
    this.timer.unref();
  }

  /** However many tokens ask for it: an issuer that is away is not to be flooded. */
  private async fetch(url: string, init: RequestInit): Promise<Response> {
    const now = performance.now();
    if (now < this.notBefore) throw new Error("they were asked for a moment ago, in vain");
    this.notBefore = now + this.pace.apart;
    return fetch(url, init);
  }
}
