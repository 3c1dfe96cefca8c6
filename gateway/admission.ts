/**
 * Admission of writes. A write that would wait too long, or whose body does not fit into memory, is rejected before its
 * body is read: this costs little, so the admitted writes keep their rate and latency.
 */
import { RequestError } from "../contracts/errors.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { LoadShedder } from "../platform/async/load-shedder.ts";
import type { Check } from "../platform/service.ts";

/** Bodies up to this size, in bytes, may use all of the memory. Larger ones leave them a quarter. */
const SMALL_BODY = 16_384;
const LARGE_BODY_SHARE = 0.75;
/** Without a rejection for this time, in milliseconds, the gateway is not overloaded. */
const CALM_MS = 5_000;
/** `Retry-After` is 1 to this many seconds, at random: the rejected clients must not return at the same time. */
const MAX_RETRY_AFTER_S = 3;

/** A write that was admitted. */
export interface AdmittedWrite {
  /** Ends the write's use of the gateway's capacity. Calling it twice is harmless. */
  readonly release: () => void;
  /** Reserves memory for a part of the body. @throws {RequestError} UNAVAILABLE when there is not enough. */
  readonly reserve: (bytes: number) => void;
}

/** Admits the writes of one gateway. */
export class Admission {
  private bodyBytes = 0;
  private rejections = 0;
  private firstRejectedMs = Number.NEGATIVE_INFINITY;
  private lastRejectedMs = Number.NEGATIVE_INFINITY;
  private reason = "";

  /** @param maxBodyBytes size of all request bodies in progress together, in bytes. */
  constructor(private readonly maxBodyBytes: number) {}

  /** Reports the size of the bodies in progress. */
  registerMetrics(metrics: Metrics): void {
    watchBuffer(metrics, "request-body-bytes", this.maxBodyBytes, () => this.bodyBytes);
  }

  /** Admits a write. @throws {RequestError} UNAVAILABLE when its queue is too slow or full. */
  admit(shedder: LoadShedder): AdmittedWrite {
    const leave = shedder.admit();
    if (!leave) throw this.rejection("writes wait too long for the database");
    let reserved = 0;
    let isReleased = false;
    return {
      reserve: (bytes) => {
        const share = reserved + bytes > SMALL_BODY ? LARGE_BODY_SHARE : 1;
        if (this.bodyBytes + bytes > this.maxBodyBytes * share)
          throw this.rejection("the request bodies in progress have reached their total size");
        reserved += bytes;
        this.bodyBytes += bytes;
      },
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.bodyBytes -= reserved;
        leave();
      },
    };
  }

  /** Reports the condition `overloaded` until no write was rejected for 5 s. */
  readonly check: Check = {
    condition: "overloaded",
    blocksReadiness: false,
    problem: () => {
      const { rejections, firstRejectedMs, reason } = this;
      if (performance.now() - this.lastRejectedMs > CALM_MS) return undefined;
      const seconds = Math.ceil((this.lastRejectedMs - firstRejectedMs) / 1_000);
      return `rejected ${rejections} writes within ${Math.max(1, seconds)} s: ${reason}`;
    },
  };

  private rejection(reason: string): RequestError {
    const now = performance.now();
    if (now - this.lastRejectedMs > CALM_MS) {
      this.firstRejectedMs = now;
      this.rejections = 0;
    }
    this.rejections++;
    this.lastRejectedMs = now;
    this.reason = reason;
    return new RequestError("UNAVAILABLE", `The gateway is overloaded: ${reason}. Nothing was changed. Try again.`, {
      retryAfterSeconds: 1 + Math.floor(Math.random() * MAX_RETRY_AFTER_S),
    });
  }
}
