/** The conditions that a relay reports. The leading relay refreshes what they read once a second. */
import { STALLED_MS } from "../contracts/conditions.ts";
import type { Check } from "../platform/service.ts";
import type { OutboxDepth } from "./outbox.ts";

/** The leading relay reads the depth every second. Without a response for this long the source is unavailable. */
const SOURCE_SILENCE_MS = 5_000;

/** What a relay knows about itself. */
export class RelayState {
  /** What the process waits for before it can lead; undefined once source and log are connected. */
  connecting: "source" | "log" | undefined = "source";
  /** Set while this relay leads: why the log takes no change, if it does not. */
  logProblem: (() => string | undefined) | undefined;
  private depth: OutboxDepth | undefined;
  private depthReadAtMs: number | undefined;

  /** Records the answer of the source. */
  readDepth(depth: OutboxDepth): void {
    this.depth = depth;
    this.depthReadAtMs = performance.now();
  }

  /** The relay's checks. */
  checks(): Check[] {
    return [
      { condition: "source-unavailable", blocksReadiness: true, problem: () => this.sourceProblem() },
      {
        condition: "log-unavailable",
        blocksReadiness: true,
        problem: () => (this.connecting === "log" ? "the brokers are not connected yet" : undefined),
      },
      { condition: "log-unavailable", blocksReadiness: false, problem: () => this.logProblem?.() },
      { condition: "outbox-stalled", blocksReadiness: false, problem: () => this.outboxProblem() },
      { condition: "rows-set-aside", blocksReadiness: false, problem: () => this.setAsideProblem() },
    ];
  }

  private sourceProblem(): string | undefined {
    if (this.connecting === "source") return "the source's PostgreSQL is not connected yet";
    const silentMs = performance.now() - (this.depthReadAtMs ?? Number.POSITIVE_INFINITY);
    return silentMs > SOURCE_SILENCE_MS
      ? `the source's PostgreSQL has not responded for ${Math.round(silentMs / 1_000)} s`
      : undefined;
  }

  private outboxProblem(): string | undefined {
    const { depth = 0, oldestAgeSeconds = 0 } = this.depth ?? {};
    return oldestAgeSeconds * 1_000 > STALLED_MS
      ? `${depth} changes are pending, the oldest for ${Math.round(oldestAgeSeconds)} s`
      : undefined;
  }

  private setAsideProblem(): string | undefined {
    const counts = Object.entries(this.depth?.setAside ?? {}).map(([reason, count]) => `${count} ${reason}`);
    return counts.length > 0 ? `changes of entities that cannot be sent: ${counts.join(", ")}` : undefined;
  }
}
