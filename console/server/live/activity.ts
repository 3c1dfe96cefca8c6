/** What changed from one look to the next, for a person who watches. Pure. */
import type { Snapshot } from "./snapshot.ts";

/** A closed list: the page has a sentence for each in every language. */
export const activityKinds = [
  "paused",
  "resumed",
  "down",
  "unwell",
  "ready",
  "behind",
  "caught-up",
  "cache-off",
  "cache-on",
  "dead-letters-more",
  "dead-letters-fewer",
  "differs",
  "equal",
  "log-away",
  "log-back",
  "source-away",
  "source-back",
  "rebuilding",
  "rebuilt",
  "did",
] as const;
export type ActivityKind = (typeof activityKinds)[number];

export interface Activity {
  readonly kind: ActivityKind;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Who it is about; null: everything. */
  readonly name: string | null;
  readonly count: number | null;
  /** For `did`: what somebody did on the page, one of the acts. */
  readonly act: string | null;
}

/** Who lags by so many records is behind: more than a batch that is just being worked on. */
const BEHIND = 50;

export function activityBetween(before: Snapshot, after: Snapshot): Activity[] {
  const found: Activity[] = [];
  const tell = (kind: ActivityKind, name: string | null, count: number | null = null) =>
    found.push({ kind, atMs: after.atMs, name, count, act: null });
  tellAway(before, after, tell);
  tellPauses(before, after, tell);
  tellServices(before, after, tell);
  tellLag(before, after, tell);
  tellCaches(before, after, tell);
  tellLetters(before, after, tell);
  tellVerifications(before, after, tell);
  tellRebuilds(before, after, tell);
  return found;
}

type Tell = (kind: ActivityKind, name: string | null, count?: number | null) => void;

function tellAway(before: Snapshot, after: Snapshot, tell: Tell): void {
  if (before.follows && !after.follows) tell("log-away", null);
  if (!before.follows && after.follows) tell("log-back", null);
  if (before.outbox && !after.outbox) tell("source-away", null);
  if (!before.outbox && after.outbox) tell("source-back", null);
}

function tellPauses({ paused: before }: Snapshot, { paused: after }: Snapshot, tell: Tell): void {
  if (!before || !after) return;
  for (const name in after) if (!(name in before)) tell("paused", name);
  for (const name in before) if (!(name in after)) tell("resumed", name);
}

function tellServices({ services: before }: Snapshot, { services: after }: Snapshot, tell: Tell): void {
  for (const { name, instance, health } of after ?? []) {
    const was = before?.find((one) => one.name === name && one.instance === instance)?.health;
    if (was === undefined || was === health) continue;
    const label = instance > 1 ? `${name} ${instance}` : name;
    tell(health === "not ready" ? "unwell" : health, label);
  }
}

function tellLag({ follows: before }: Snapshot, { follows: after }: Snapshot, tell: Tell): void {
  for (const { name, topic, lag } of after ?? []) {
    const was = before?.find((one) => one.name === name && one.topic === topic)?.lag;
    if (was === undefined) continue;
    if (was < BEHIND && lag >= BEHIND) tell("behind", name, lag);
    if (was >= BEHIND && lag < BEHIND) tell("caught-up", name);
  }
}

function tellCaches({ replicas: before }: Snapshot, { replicas: after }: Snapshot, tell: Tell): void {
  for (const name in after) {
    const [was, is] = [before[name]?.cache, after[name]!.cache];
    if (!was || !is || was === is) continue;
    if (was === "on") tell("cache-off", name);
    if (is === "on") tell("cache-on", name);
  }
}

function tellLetters({ deadLetters: before }: Snapshot, { deadLetters: after }: Snapshot, tell: Tell): void {
  if (before === null || after === null || before === after) return;
  tell(after > before ? "dead-letters-more" : "dead-letters-fewer", null, Math.abs(after - before));
}

function tellVerifications({ verifications: before }: Snapshot, after: Snapshot, tell: Tell): void {
  for (const { entity, replica, at, differing } of after.verifications ?? []) {
    const was = before?.find((one) => one.entity === entity && one.replica === replica);
    if (!before || was?.at.getTime() === at.getTime()) continue;
    const count = Object.values(differing).reduce((sum, of) => sum + of, 0);
    tell(count > 0 ? "differs" : "equal", replica, count);
  }
}

function tellRebuilds({ rebuilds: before }: Snapshot, { rebuilds: after }: Snapshot, tell: Tell): void {
  for (const { replica } of after) if (!before.some((one) => one.replica === replica)) tell("rebuilding", replica);
  for (const { replica } of before) if (!after.some((one) => one.replica === replica)) tell("rebuilt", replica);
}
