/** Retries requests to brokers while their errors are transient. */
import { type RetryOptions, retry } from "../../platform/async/retry.ts";
import { errorAction } from "./broker-errors.ts";

/** The options of `retry`, without the decision which errors are transient. */
export type RetryRequestOptions = Omit<RetryOptions, "shouldRetry">;

/**
 * Calls `attempt` until it succeeds, like `retry`. Errors with the action `retry` (broker-errors.ts) are repeated.
 *
 * @throws {Error} the error of `attempt` when its action is `fenced` or `fatal`.
 * @throws {Error} after `timeoutMs`, with the last error as its cause.
 * @throws the signal's reason when it aborts.
 */
export const retryRequest = <T>(options: RetryRequestOptions, attempt: () => Promise<T>): Promise<T> =>
  retry({ ...options, shouldRetry: (error) => errorAction(error) === "retry" }, attempt);
