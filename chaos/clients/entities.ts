/** The entities that the clients of a run know: hot ones, all others, and deleted ones. */
import type { Random } from "../random.ts";

/** Entities that get most of the writes. */
const HOT = 6;
/** Newest entities, where a stale read is most likely. */
const NEWEST = 40;

/** What clients know of each other's entities. */
export class Entities {
  private readonly created: string[] = [];
  private readonly deleted = new Map<string, number>();
  private readonly versions = new Map<string, number>();

  /** All ids, the newest last. */
  ids = (): readonly string[] => this.created;

  /** Records that an answer said: an entity exists, or was deleted, at a version. */
  learn(id: string, version: number, isDeleted: boolean): void {
    if (version <= (this.versions.get(id) ?? 0)) return;
    if (!this.versions.has(id)) this.created.push(id);
    this.versions.set(id, version);
    if (isDeleted) this.deleted.set(id, version);
    else this.deleted.delete(id);
  }

  /** The newest version in any answer; undefined for an unknown entity. */
  versionOf = (id: string): number | undefined => this.versions.get(id);

  /** An entity to write: a hot one in half of the cases. Undefined while there is none. */
  toWrite(random: Random): string | undefined {
    const alive = this.created.filter((id) => !this.deleted.has(id));
    if (alive.length === 0) return undefined;
    return random.pick(random.chance(0.5) ? alive.slice(0, HOT) : alive);
  }

  /** An entity to read: a hot or a new one in half of the cases. Undefined while there is none. */
  toRead(random: Random): string | undefined {
    if (this.created.length === 0) return undefined;
    if (random.chance(0.5)) return random.pick(this.created);
    return random.pick(random.chance(0.5) ? this.created.slice(0, HOT) : this.created.slice(-NEWEST));
  }

  /** A deleted entity; undefined while there is none. */
  toRecreate(random: Random): string | undefined {
    return this.deleted.size === 0 ? undefined : random.pick([...this.deleted.keys()]);
  }
}
