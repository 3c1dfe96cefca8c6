/** What the source was at each version, as the events topic has it. Pure. */
import type { InjectedFault, Run } from "../checker.ts";
import type { SeenRecord } from "../rest/at-rest.ts";
import { copies } from "../rest/copies.ts";

/** One version of an entity. */
export interface TimelineVersion {
  /** Undefined: the entity was deleted. */
  readonly document: Readonly<Record<string, unknown>> | undefined;
}

/** Faults that take records out of a topic. Their subject is the topic. */
const losses = ["topic-deleted", "records-deleted"];

/** True when a fault has taken records out of the topic. */
export const hasLost = (faults: readonly InjectedFault[], topic: string): boolean =>
  faults.some(({ fault, subject }) => losses.includes(fault) && subject === topic);

/** Records that faults have not written. */
export function genuine(records: readonly SeenRecord[], run: Pick<Run, "planted">, topic: string): SeenRecord[] {
  const planted = new Set(
    run.planted.filter((one) => one.topic === topic).map(({ partition, offset }) => `${partition}/${offset}`),
  );
  return records.filter(({ partition, offset }) => !planted.has(`${partition}/${offset}`));
}

/** The versions of all entities of a run. */
export class Timeline {
  private readonly versions = new Map<string, Map<number, TimelineVersion>>();

  constructor(private readonly run: Pick<Run, "atRest" | "planted">) {
    for (const { key, version, isDelete, document } of genuine(run.atRest.events, run, "products.events")) {
      const known = this.versions.get(key) ?? new Map<number, TimelineVersion>();
      known.set(version, { document: isDelete ? undefined : document });
      this.versions.set(key, known);
    }
  }

  /** All ids. */
  ids = (): readonly string[] => [...this.versions.keys()];

  /** Undefined: there is no event of this version. */
  at = (id: string, version: number): TimelineVersion | undefined => this.versions.get(id)?.get(version);

  /** The version of the source in the end, also of a deleted entity; 0 for one that the source does not know. */
  last = (id: string): number => this.run.atRest.source.get(id) ?? this.run.atRest.deleted.get(id) ?? 0;

  /** True when a replica must not have this version of an entity. Undefined: there is no event of it. */
  isRemoval(replica: string, id: string, version: number): boolean | undefined {
    const known = this.at(id, version);
    return known && !(known.document && copies[replica]!.has(known.document));
  }

  /**
   * The lowest version from `from` on at which a replica need not have an entity. A version without an event may be one.
   *
   * @returns undefined when the replica must have the entity at each of these versions.
   */
  removedFrom(replica: string, id: string, from: number): number | undefined {
    for (let version = Math.max(1, from); version <= this.last(id); version++)
      if (this.isRemoval(replica, id, version) !== false) return version;
    return undefined;
  }
}

/** A time of a run as text: `12.4 s`. */
export const at = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
