/**
 * Consumer groups as kafka/consumer promises them: one owner per partition, who finishes its batch before the next owner
 * starts. A member that was silent for a session loses its partitions.
 */
import { type ConsumeOptions, partitionKey, partitionsOf, type TopicPartition } from "../../kafka/log.ts";
import type { Broker } from "./broker.ts";
import { latency } from "./request.ts";
import type { SimulatedProcess, World } from "./world.ts";

const SESSION_MS = 3_000;
const CHECK_MS = 1_000;

/** A member, as the coordinator reaches it. */
interface Member {
  readonly process: SimulatedProcess;
  readonly options: ConsumeOptions;
  assign(at: TopicPartition): Promise<void>;
  revoke(at: TopicPartition): Promise<void>;
  onExpelled(): void;
}

/** All groups of the brokers. */
export class ConsumerGroups {
  private readonly groups = new Map<string, Group>();

  constructor(
    private readonly world: World,
    private readonly broker: Broker,
  ) {}

  group(name: string): Group {
    let found = this.groups.get(name);
    if (!found) {
      found = new Group(this.world, this.broker);
      this.groups.set(name, found);
    }
    return found;
  }
}

/** One group, as its coordinator sees it. */
export class Group {
  readonly committed = new Map<string, number>();
  private readonly members: Member[] = [];
  private readonly owners = new Map<string, Member>();
  private readonly releasing = new Set<string>();
  private readonly silentSince = new Map<Member, number>();
  private isChecking = false;

  constructor(
    private readonly world: World,
    private readonly broker: Broker,
  ) {}

  has(member: Member): boolean {
    return this.members.includes(member);
  }

  /** A static member takes the place of the one that had its id. */
  join(member: Member): void {
    const { groupInstanceId } = member.options;
    const earlier = groupInstanceId && this.members.find(({ options }) => options.groupInstanceId === groupInstanceId);
    if (earlier && earlier !== member) this.expel(earlier);
    if (!this.has(member)) this.members.push(member);
    this.rebalance();
    if (!this.isChecking) this.check();
  }

  commit(member: Member, at: TopicPartition, offset: number): void {
    if (this.owners.get(partitionKey(at)) === member) this.committed.set(partitionKey(at), offset);
  }

  released(member: Member, at: TopicPartition): void {
    const key = partitionKey(at);
    if (this.owners.get(key) !== member) return;
    this.owners.delete(key);
    this.releasing.delete(key);
    this.rebalance();
  }

  /** Looks for members that are silent for a session. */
  private check(): void {
    this.isChecking = true;
    const { world, silentSince } = this;
    for (const member of [...this.members]) {
      const { isAlive, isPaused } = member.process;
      if (isAlive && !isPaused) silentSince.delete(member);
      else if (!silentSince.has(member)) silentSince.set(member, world.now);
      else if (world.now - silentSince.get(member)! >= SESSION_MS) {
        this.expel(member);
        this.rebalance();
      }
    }
    world.schedule(CHECK_MS, world.outside, () => this.check());
  }

  private expel(member: Member): void {
    this.members.splice(this.members.indexOf(member), 1);
    this.silentSince.delete(member);
    for (const [key, owner] of this.owners)
      if (owner === member) {
        this.owners.delete(key);
        this.releasing.delete(key);
      }
    this.world.schedule(latency(this.world), member.process, () => member.onExpelled());
  }

  private rebalance(): void {
    const [first] = this.members;
    if (!first) return;
    const all = first.options.topics.flatMap((topic) => partitionsOf(topic, this.broker.partitionTotal));
    const quota = Math.ceil(all.length / this.members.length);
    const counts = new Map(this.members.map((member) => [member, 0]));
    const count = (member: Member) => counts.set(member, counts.get(member)! + 1);
    const free: TopicPartition[] = [];
    for (const at of all) {
      const key = partitionKey(at);
      const owner = this.owners.get(key);
      if (!owner) free.push(at);
      else if (counts.get(owner)! < quota && !this.releasing.has(key)) count(owner);
      else if (!this.releasing.has(key)) {
        this.releasing.add(key);
        this.world.schedule(latency(this.world), owner.process, () => void owner.revoke(at));
      }
    }
    for (const at of free) {
      const target = this.members.reduce((least, member) =>
        counts.get(member)! < counts.get(least)! ? member : least,
      );
      count(target);
      this.owners.set(partitionKey(at), target);
      this.world.schedule(latency(this.world), target.process, () => void target.assign(at));
    }
  }
}
