/**
 * Step 5 of the stream: the newest version of each entity with the replicas that must not have it, and the progress of
 * each input partition. The newest changes are in memory; {@link VersionStore.save} writes them to a local SQLite file
 * every few seconds.
 *
 * A save writes the versions and the progress of all partitions in one transaction, so the file is always the state of
 * an earlier moment. After a crash the next owner reads from the versions topic what the file lacks. It decides the
 * input since the last flush to that topic again, and finds its outputs by reading back (take-over.ts). Memory stays
 * constant as the number of entities grows.
 */
import type { Database } from "bun:sqlite";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import type { KnownVersion } from "../contracts/known-version.ts";
import type { Checkpoint, PartitionKey } from "./checkpoint.ts";
import { type PartitionUpdate, type StoredVersion, VersionFile } from "./version-file.ts";

/** The changes of one flush: {@link VersionStore.unflushed}. */
interface Unflushed {
  /** Number of the flush, rising per partition. */
  readonly flush: number;
  readonly changes: ReadonlyMap<EntityId, KnownVersion>;
}

/** Time from a change to its save, in milliseconds. After a crash, this much of the versions topic is read again. */
const SAVE_MS = 5_000;
/** Number of changes at which they are saved immediately: 5 MB. With 4,000, a change costs twice as much in a bulk. */
const MAX_UNSAVED = 20_000;
/** Characters in the ids of changes at which they are saved immediately. */
const MAX_UNSAVED_CHARACTERS = 2_000_000;

/** What memory has of one partition. */
interface PartitionState {
  checkpoint: Checkpoint | undefined;
  /** Number of the next flush. */
  flush: number;
  /** Number of the last flush that the versions topic has. */
  flushed: number;
  /** Changes that the file or the versions topic lacks. The topic lacks those whose flush is after `flushed`. */
  readonly recent: Map<EntityId, RecentVersion>;
  /** True when the file has everything. */
  isSaved: boolean;
}

interface RecentVersion extends StoredVersion {
  isSaved: boolean;
}

/** All methods throw when SQLite cannot read or write the file, for example on a full disk. */
export class VersionStore implements Disposable {
  private readonly file: VersionFile;
  private readonly states = new Map<PartitionKey, PartitionState>();
  private saveTimer: Timer | undefined;
  private unsavedCount = 0;
  private unsavedCharacters = 0;
  private hasSaveFailed = false;

  /** @param file its path, or an open database: see {@link VersionFile}. */
  constructor(file: string | Database) {
    this.file = new VersionFile(file);
  }

  /** Returns the newest version of each of these entities. New entities are missing. */
  newest(key: PartitionKey, ids: readonly EntityId[]): Map<EntityId, Version> {
    const { recent } = this.stateOf(key);
    const found = new Map<EntityId, Version>();
    const others: EntityId[] = [];
    for (const id of ids) {
      const change = recent.get(id);
      if (change) found.set(id, change.known.version);
      else others.push(id);
    }
    this.file.addVersions(key, others, found);
    return found;
  }

  /**
   * Remembers the changes of a chunk and its checkpoint together. They are saved within {@link SAVE_MS}.
   *
   * @param checkpoint must not change any more.
   * @throws {Error} when an earlier save failed and fails again, or memory is full and cannot be saved. Nothing of the
   * chunk is remembered then.
   */
  remember(key: PartitionKey, changes: ReadonlyMap<EntityId, KnownVersion>, checkpoint: Checkpoint): void {
    // Before anything is remembered: otherwise the chunk would count as processed when it is delivered again, and memory
    // would grow while the file takes nothing.
    const isFull = this.unsavedCount >= MAX_UNSAVED || this.unsavedCharacters >= MAX_UNSAVED_CHARACTERS;
    if (isFull || this.hasSaveFailed) this.save();
    const state = this.stateOf(key);
    for (const [id, known] of changes) {
      state.recent.set(id, { flush: state.flush, known, isSaved: false });
      this.unsavedCharacters += id.length;
    }
    this.unsavedCount += changes.size;
    state.checkpoint = checkpoint;
    this.scheduleSave(state);
  }

  /** Writes everything that the file lacks, of all partitions, in one transaction. */
  save(): void {
    const unsaved = [...this.states].filter(([, state]) => !state.isSaved);
    if (unsaved.length === 0) return;
    this.hasSaveFailed = true;
    this.file.save(unsaved.map(([key, state]) => updateOf(key, state)));
    this.hasSaveFailed = false;
    for (const [, state] of unsaved) {
      for (const [id, change] of state.recent) {
        change.isSaved = true;
        if (change.flush <= state.flushed) state.recent.delete(id);
      }
      state.isSaved = true;
    }
    this.unsavedCount = 0;
    this.unsavedCharacters = 0;
    clearTimeout(this.saveTimer);
    this.saveTimer = undefined;
  }

  /** Adds what the versions topic has, and saves it. An older version never replaces a newer one. */
  restore(key: PartitionKey, changes: ReadonlyMap<EntityId, KnownVersion>, checkpoint: Checkpoint | undefined): void {
    // The file decides which version is newer, so it must have all of them.
    this.save();
    const state = this.stateOf(key);
    const { flush, flushed, recent } = state;
    const restored = new Map<EntityId, StoredVersion>();
    const conflicts = new Map<EntityId, StoredVersion>();
    for (const [id, known] of changes) {
      restored.set(id, { flush: 0, known });
      const { version, absent } = known;
      // After a save, memory has only what the topic lacks.
      const own = recent.get(id)?.known;
      if (!own || version < own.version) continue;
      if (version > own.version || isEqual(absent, own.absent)) recent.delete(id);
      // The version was sent again to other replicas. Which of the two is newer is unknown, so neither proves anything.
      else conflicts.set(id, { flush, known: { version, absent: [] } });
    }
    this.file.save([
      { key, changes: restored, checkpoint, flushed },
      { key, changes: conflicts, flushed },
    ]);
    for (const [id, conflict] of conflicts) recent.set(id, { ...conflict, isSaved: true });
    if (checkpoint) state.checkpoint = checkpoint;
  }

  /** Returns all changes that the versions topic may lack. Those that the file has survive a crash. */
  unflushed(key: PartitionKey): Unflushed {
    const state = this.stateOf(key);
    const changes = new Map<EntityId, KnownVersion>();
    for (const [id, { flush, known }] of state.recent) if (flush > state.flushed) changes.set(id, known);
    return { flush: state.flush++, changes };
  }

  /**
   * Marks changes as stored in the versions topic. An entity that changed again since then stays unflushed.
   *
   * @param stored the versions topic and its end.
   */
  markFlushed(key: PartitionKey, { flush }: Unflushed, stored: { topic: string; end: number }): void {
    const state = this.stateOf(key);
    state.flushed = flush;
    const { checkpoint } = state;
    if (checkpoint) state.checkpoint = { ...checkpoint, ends: { ...checkpoint.ends, [stored.topic]: stored.end } };
    this.scheduleSave(state);
  }

  /** Returns everything that is known of a partition, in pages. */
  pages(key: PartitionKey): Iterable<ReadonlyMap<EntityId, KnownVersion>> {
    this.save();
    return this.file.pages(key);
  }

  /** Returns the progress of a partition; undefined when nothing of it was processed. */
  checkpoint(key: PartitionKey): Checkpoint | undefined {
    return this.stateOf(key).checkpoint;
  }

  /** Closes the file. What is not saved is lost, as in a crash. */
  [Symbol.dispose](): void {
    clearTimeout(this.saveTimer);
    this.file[Symbol.dispose]();
  }

  private scheduleSave(state: PartitionState): void {
    state.isSaved = false;
    this.saveTimer ??= setTimeout(() => this.saveOnTime(), SAVE_MS);
  }

  /** A failure is repeated and thrown by the next {@link remember}, whose batch is then delivered again. */
  private saveOnTime(): void {
    this.saveTimer = undefined;
    try {
      this.save();
    } catch {
      this.saveTimer = setTimeout(() => this.saveOnTime(), SAVE_MS);
    }
  }

  /** Reads the file once for each partition. After that, memory has the newest state. */
  private stateOf(key: PartitionKey): PartitionState {
    const found = this.states.get(key);
    if (found) return found;
    const { checkpoint, flushed, lastFlush, unflushed } = this.file.load(key);
    const flush = Math.max(flushed, lastFlush) + 1;
    const recent = new Map([...unflushed].map(([id, known]) => [id, { flush, known, isSaved: true }]));
    const state = { checkpoint, flush, flushed, recent, isSaved: true };
    this.states.set(key, state);
    return state;
  }
}

/** Everything of a partition that the file lacks. */
function updateOf(key: PartitionKey, { recent, checkpoint, flushed }: PartitionState): PartitionUpdate {
  const changes = new Map<EntityId, StoredVersion>();
  for (const [id, change] of recent) if (!change.isSaved) changes.set(id, change);
  return { key, changes, checkpoint, flushed };
}

const isEqual = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);
