/** Looks at everything once a second, for all who look at the page together, and not at all when nobody does. */
import { replicaNames } from "../../../contracts/entities/index.ts";
import { type Activity, activityBetween } from "./activity.ts";
import type { CachedValue } from "./cached-value.ts";
import { Rates } from "./counter-rates.ts";
import type { Questions } from "./probes.ts";
import { type Traffic, WINDOW_S } from "./receipt-metrics.ts";
import type { FollowsNow, ReplicaNow, Snapshot } from "./snapshot.ts";

const EVERY_MS = 1_000;
/** What was answered longer ago is no longer shown as true. */
const OLD_MS = 6_000;
const SETTLING_LOOKS = 4;

export interface SamplerParts {
  readonly questions: Questions;
  readonly traffic: Traffic;
  readonly onSnapshot: (snapshot: Snapshot) => void;
  readonly onHappening: (happening: Activity) => void;
}

export class Sampler {
  /** The newest snapshot; undefined before the first one. */
  latest: Snapshot | undefined;
  private readonly written = new Rates();
  private readonly read = new Rates();
  private timer: Timer | undefined;
  private looks = 0;

  constructor(private readonly deps: SamplerParts) {}

  start(): void {
    if (this.timer) return;
    // What was seen an hour ago is no change that happened now.
    this.latest = undefined;
    this.looks = 0;
    this.timer = setInterval(() => this.look(), EVERY_MS);
    this.look();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private look(): void {
    const { questions, onSnapshot, onHappening } = this.deps;
    const nowMs = performance.now();
    for (const part of Object.values(questions)) part.tick(nowMs);
    this.count(nowMs);
    const snapshot = this.snapshot(nowMs);
    // Until everybody has had the time to answer, an answer is no news.
    if (++this.looks > SETTLING_LOOKS && this.latest)
      for (const happening of activityBetween(this.latest, snapshot)) onHappening(happening);
    this.latest = snapshot;
    onSnapshot(snapshot);
  }

  private count(nowMs: number): void {
    const { topics, follows } = this.deps.questions;
    if (topics.ageMs(nowMs) < EVERY_MS * 1.5 && topics.value) this.written.look(topics.value, nowMs);
    if (follows.ageMs(nowMs) < EVERY_MS * 1.5 && follows.value)
      this.read.look(
        new Map(follows.value.map((of) => [of.topic, of.partitions.reduce((sum, { position }) => sum + position, 0)])),
        nowMs,
      );
  }

  private snapshot(nowMs: number): Snapshot {
    const { questions, traffic } = this.deps;
    const atMs = Date.now();
    const fresh = <T>(part: CachedValue<T>): T | null => (part.ageMs(nowMs) < OLD_MS ? (part.value ?? null) : null);
    const topics = fresh(questions.topics);
    const services = fresh(questions.services);
    return {
      atMs,
      services,
      outbox: fresh(questions.outbox),
      topics:
        topics &&
        Object.fromEntries([...topics].map(([name, end]) => [name, { end, perSecond: this.written.of(name) }])),
      follows: fresh(questions.follows)?.map((of) => this.following(of)) ?? null,
      paused: pausedOf(fresh(questions.paused)),
      latency: traffic.all.window(WINDOW_S, atMs),
      lastSecond: traffic.all.series(1, atMs)[0]!,
      replicas: Object.fromEntries(
        replicaNames.map((name) => [name, { ...traffic.of(name, atMs), cache: cacheOf(services, name) }]),
      ),
      deadLetters: fresh(questions.deadLetters),
      verifications: fresh(questions.verifications),
      rebuilds: fresh(questions.rebuilds) ?? [],
    };
  }

  private following({ name, topic, lag }: { name: string; topic: string; lag: number }): FollowsNow {
    return { name, topic, lag, perSecond: this.read.of(topic) };
  }
}

function pausedOf(
  said: ReadonlyMap<string, { paused: boolean; at: string; reason?: string }> | null,
): Snapshot["paused"] {
  if (!said) return null;
  const paused = [...said].filter(([, control]) => control.paused);
  return Object.fromEntries(
    paused.map(([key, { at, reason }]) => [key.replace(/^replica\//, ""), { at, reason: reason ?? null }]),
  );
}

/** As the replica's instances tell by their checks; the first that says something. */
function cacheOf(services: Snapshot["services"], replica: string): ReplicaNow["cache"] {
  const note = services?.find(({ name, notes }) => name === replica && notes?.cache)?.notes?.cache;
  if (note === undefined) return null;
  if (note === "on") return "on";
  if (note.startsWith("Redis is away")) return "away";
  return note.startsWith("not configured") ? "none" : "off";
}
