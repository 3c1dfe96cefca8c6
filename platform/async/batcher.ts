/**
 * Writes that come while others are being written are written together, in the next statement: one transaction, one plan, one round
 * of triggers and one commit for all of them. An idle gateway writes each at once; at 1,000 writes a second a statement for each
 * would cost the database several times as much.
 *
 * They share nothing else. When the database refuses a statement it has undone all of it, and each write is tried aside, in a
 * statement of its own: what is wrong with one, or holds it up, is told to its caller only.
 *
 * A write is, until its caller has an answer:
 * - waiting: for its turn, or for another write of the same entity. Refused when it waits too long.
 * - in a lane: in a statement with others, which must not wait long for anybody's lock.
 * - aside: alone, and waits for locks as long as it takes. Writes of other entities pass it by.
 */
import type { EntityId } from "../../contracts/entity/entity.ts";
import { DatabaseUnavailableError } from "../postgres/database.ts";

/** Writes in one statement. */
const MOST = 100;
/** A statement's JSON stays about this small; a single larger write goes alone. */
const MOST_BYTES = 1_048_576;

export interface Write {
  readonly id: EntityId;
  /** Size of what is sent to the database, about. */
  readonly bytes: number;
}

interface Waiting<W, A> extends PromiseWithResolvers<A> {
  readonly write: W;
  readonly since: number;
}

export interface Bounds {
  /** Statements at a time. */
  readonly lanes: number;
  /** Writes aside at a time. */
  readonly aside: number;
  /** Most writes that wait; more are refused. */
  readonly max: number;
  /** Longest that one waits for its turn, in milliseconds. */
  readonly timeoutMs: number;
}

export class Together<W extends Write, A> {
  private readonly waiting: Waiting<W, A>[] = [];
  private readonly aside: Waiting<W, A>[] = [];
  /** Entities in a lane or aside: their next write has to see what became of this one. */
  private readonly busy = new Set<EntityId>();
  private lanes = 0;
  private alone = 0;

  constructor(
    /** Carries out writes of different entities, all or none; answers in their order. @param patient whether to wait for locks. */
    private readonly work: (writes: readonly W[], patient: boolean) => Promise<readonly A[]>,
    /** Tells from an error whether nothing of the statement was done, and one of its writes may be the reason. */
    private readonly isOfOne: (error: unknown) => boolean,
    private readonly bounds: Bounds,
  ) {}

  /** @throws {DatabaseUnavailableError} when too many wait, or for too long; and what `work` says of this write. */
  add(write: W): Promise<A> {
    const { max } = this.bounds;
    if (this.waiting.length >= max)
      return Promise.reject(new DatabaseUnavailableError(`${max} writes wait for the database already`, false));
    const one = { write, since: performance.now(), ...Promise.withResolvers<A>() };
    this.waiting.push(one);
    this.go();
    return one.promise;
  }

  /** Writes that have no answer yet and are not in a lane. */
  get held(): number {
    return this.waiting.length + this.aside.length;
  }

  /** Lets begin what can. */
  private go(): void {
    while (this.alone < this.bounds.aside && this.aside.length > 0) void this.carryOutAside(this.aside.shift()!);
    while (this.lanes < this.bounds.lanes && this.waiting.length > 0) {
      const batch = this.next();
      if (batch.length === 0) return;
      void this.carryOut(batch);
    }
  }

  private async carryOut(batch: readonly Waiting<W, A>[]): Promise<void> {
    this.lanes++;
    const writes = batch.map(({ write }) => write);
    try {
      const answers = await this.work(writes, false);
      for (const [i, one] of batch.entries()) this.settle(one, () => one.resolve(answers[i]!));
    } catch (error) {
      if (this.isOfOne(error)) this.aside.push(...batch);
      else for (const one of batch) this.settle(one, () => one.reject(error));
    } finally {
      this.lanes--;
      this.go();
    }
  }

  private async carryOutAside(one: Waiting<W, A>): Promise<void> {
    this.alone++;
    try {
      if (this.isLate(one)) throw this.late();
      const [answer] = await this.work([one.write], true);
      this.settle(one, () => one.resolve(answer!));
    } catch (error) {
      this.settle(one, () => one.reject(error));
    } finally {
      this.alone--;
      this.go();
    }
  }

  private settle({ write }: Waiting<W, A>, tell: () => void): void {
    this.busy.delete(write.id);
    tell();
  }

  /** The oldest ones, each entity once. In the order of ids, so that two statements that lock the same rows cannot deadlock. */
  private next(): Waiting<W, A>[] {
    const batch: Waiting<W, A>[] = [];
    const left: Waiting<W, A>[] = [];
    let bytes = 0;
    let looked = 0;
    for (const one of this.waiting) {
      if (batch.length === MOST || (bytes > 0 && bytes + one.write.bytes > MOST_BYTES)) break;
      looked++;
      if (this.isLate(one)) one.reject(this.late());
      else if (this.busy.has(one.write.id)) left.push(one);
      else {
        batch.push(one);
        this.busy.add(one.write.id);
        bytes += one.write.bytes;
      }
    }
    this.waiting.splice(0, looked, ...left);
    return batch.sort((a, b) => (a.write.id < b.write.id ? -1 : 1));
  }

  private isLate({ since }: Waiting<W, A>): boolean {
    return performance.now() - since > this.bounds.timeoutMs;
  }

  private late(): DatabaseUnavailableError {
    return new DatabaseUnavailableError(`no turn came within ${this.bounds.timeoutMs} ms`, false);
  }
}
