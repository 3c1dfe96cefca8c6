/** Health of the stream: it is ready while the brokers answer its fetches. */
import type { Consumer } from "../kafka/log.ts";
import type { Check } from "../platform/service.ts";

/** Longest time without an answer of a broker at which the stream is ready, in milliseconds. */
const MAX_FETCH_AGE_MS = 10_000;

/** The check exists before the consumer, so that health is available while the stream starts. */
export class LogCheck implements Check {
  readonly condition = "log-unavailable";
  readonly blocksReadiness = true;
  private consumer: Pick<Consumer, "fetchAgeMs"> | undefined;

  /** Checks this consumer from now on. */
  attach(consumer: Pick<Consumer, "fetchAgeMs">): void {
    this.consumer = consumer;
  }

  readonly problem = (): string | undefined => {
    if (!this.consumer) return "the log is not connected yet";
    const ageMs = this.consumer.fetchAgeMs();
    return ageMs > MAX_FETCH_AGE_MS ? `no broker has answered for ${ageMs} ms` : undefined;
  };
}
