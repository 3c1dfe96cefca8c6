/** Detects what changed between two snapshots, for the page's activity log. Pure. */
import type { Snapshot } from "./snapshot.ts";

/** Closed list: the page has a text for each. `action` is an action of a user, all others are detected changes. */
export const activityKinds = [
  "paused",
  "resumed",
  "down",
  "not-ready",
  "ready",
  "behind",
  "caught-up",
  "cache-off",
  "cache-on",
  "dead-letters-opened",
  "dead-letters-closed",
  "differs",
  "equal",
  "log-unavailable",
  "log-available",
  "source-unavailable",
  "source-available",
  "rebuild-started",
  "rebuild-ended",
  "action",
] as const;
/** One of {@link activityKinds}. */
export type ActivityKind = (typeof activityKinds)[number];

/** One line of the activity log. */
export interface Activity {
  readonly kind: ActivityKind;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The service or replica that it concerns; null for the whole stack. */
  readonly name: string | null;
  /** Records, dead letters, rows, seconds, keys or a pid, depending on the kind; null where there is none. */
  readonly count: number | null;
  /** Name of a user's action, such as `pause`; null unless the kind is `action`. */
  readonly action: string | null;
}

/** A consumer with this lag or more is behind: more records than one batch in progress. */
const BEHIND_LAG = 50;

type Report = (kind: ActivityKind, name: string | null, count?: number | null) => void;

const detectors = [
  detectAvailability,
  detectPauses,
  detectHealth,
  detectLag,
  detectCaches,
  detectDeadLetters,
  detectVerifications,
  detectRebuilds,
];

/** Lists what changed. Members that are unknown in one of the snapshots are not compared. */
export function detectActivity(before: Snapshot, after: Snapshot): Activity[] {
  const found: Activity[] = [];
  const report: Report = (kind, name, count = null) =>
    found.push({ kind, atMs: after.atMs, name, count, action: null });
  for (const detect of detectors) detect(before, after, report);
  return found;
}

function detectAvailability(before: Snapshot, after: Snapshot, report: Report): void {
  if (before.consumers && !after.consumers) report("log-unavailable", null);
  if (!before.consumers && after.consumers) report("log-available", null);
  if (before.outbox && !after.outbox) report("source-unavailable", null);
  if (!before.outbox && after.outbox) report("source-available", null);
}

function detectPauses({ paused: before }: Snapshot, { paused: after }: Snapshot, report: Report): void {
  if (!before || !after) return;
  for (const name in after) if (!(name in before)) report("paused", name);
  for (const name in before) if (!(name in after)) report("resumed", name);
}

function detectHealth({ services: before }: Snapshot, { services: after }: Snapshot, report: Report): void {
  for (const { name, instance, health } of after ?? []) {
    const previous = before?.find((service) => service.name === name && service.instance === instance)?.health;
    if (previous === undefined || previous === health) continue;
    const label = instance > 1 ? `${name} ${instance}` : name;
    report(health === "not ready" ? "not-ready" : health, label);
  }
}

function detectLag({ consumers: before }: Snapshot, { consumers: after }: Snapshot, report: Report): void {
  for (const { name, topic, lag } of after ?? []) {
    const previous = before?.find((consumer) => consumer.name === name && consumer.topic === topic)?.lag;
    if (previous === undefined) continue;
    if (previous < BEHIND_LAG && lag >= BEHIND_LAG) report("behind", name, lag);
    if (previous >= BEHIND_LAG && lag < BEHIND_LAG) report("caught-up", name);
  }
}

function detectCaches({ replicas: before }: Snapshot, { replicas: after }: Snapshot, report: Report): void {
  for (const name in after) {
    const [previous, current] = [before[name]?.cache, after[name]!.cache];
    if (!previous || !current || previous === current) continue;
    if (previous === "on") report("cache-off", name);
    if (current === "on") report("cache-on", name);
  }
}

function detectDeadLetters({ deadLetters: before }: Snapshot, { deadLetters: after }: Snapshot, report: Report): void {
  if (before === null || after === null || before === after) return;
  report(after > before ? "dead-letters-opened" : "dead-letters-closed", null, Math.abs(after - before));
}

function detectVerifications({ verifications: before }: Snapshot, after: Snapshot, report: Report): void {
  for (const { entity, replica, at, differing } of after.verifications ?? []) {
    const previous = before?.find((result) => result.entity === entity && result.replica === replica);
    if (!before || previous?.at.getTime() === at.getTime()) continue;
    const count = Object.values(differing).reduce((sum, n) => sum + n, 0);
    report(count > 0 ? "differs" : "equal", replica, count);
  }
}

function detectRebuilds({ rebuilds: before }: Snapshot, { rebuilds: after }: Snapshot, report: Report): void {
  const has = (rebuilds: Snapshot["rebuilds"], name: string) => rebuilds.some(({ replica }) => replica === name);
  for (const { replica } of after) if (!has(before, replica)) report("rebuild-started", replica);
  for (const { replica } of before) if (!has(after, replica)) report("rebuild-ended", replica);
}
