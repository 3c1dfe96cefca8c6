/** The servers of one run, and the processes on them, which a supervisor restarts. */
import { Database } from "bun:sqlite";
import type { EntityId } from "../../contracts/entity/document.ts";
import { product } from "../project/index.ts";
import { Broker } from "./broker.ts";
import { ConsumerGroups } from "./consumer-group.ts";
import { RedisServer } from "./redis-server.ts";
import { runRelay } from "./relay-process.ts";
import { ReplicaDatabase } from "./replica-database.ts";
import { runReplica } from "./replica-process.ts";
import type { ReplicaServers, Servers } from "./servers.ts";
import { SourceDatabase } from "./source-database.ts";
import { runStream } from "./stream-process.ts";
import { type SimulatedEvent, SimulatedProcess, type World } from "./world.ts";

/** What a run consists of. */
export interface Layout {
  readonly partitions: number;
  readonly relays: number;
  readonly streams: number;
  /** Processes of each replica, by its name. A replica that is missing does not exist in this run. */
  readonly replicas: Readonly<Record<string, number>>;
  /** Names of the replicas that have a cache. */
  readonly cached: readonly string[];
  /** Whether consumers are static members of their groups. */
  readonly isStatic: boolean;
}

/** Local files of the stream, by instance. They outlive runs, because a new one costs as much as half a run. */
const files: Database[] = [];

function fileOf(instance: number): Database {
  files[instance] ??= new Database(":memory:");
  return files[instance];
}

function empty(file: Database): void {
  const found = file.query<{ name: string }, []>("select name from sqlite_schema where type = 'table'").all();
  for (const { name } of found) file.run(`delete from ${name}`);
}

/** Everything that exists in one run. */
export class System implements Servers {
  readonly broker: Broker;
  readonly groups: ConsumerGroups;
  readonly source: SourceDatabase;
  /** Ids of the products that writers change. */
  readonly ids: readonly EntityId[];
  readonly replicas: readonly ReplicaServers[];
  /** The present process of each name. */
  private readonly running = new Map<string, SimulatedProcess>();
  /** Restarts of processes that have ended, by name. */
  private readonly restarts = new Map<string, SimulatedEvent>();

  constructor(
    readonly world: World,
    readonly layout: Layout,
  ) {
    this.broker = new Broker(world, layout.partitions);
    this.groups = new ConsumerGroups(world, this.broker);
    this.source = new SourceDatabase(world);
    this.ids = Array.from({ length: world.random.int(1, 4) }, () => world.random.uuid());
    this.replicas = product.replicas
      .filter(({ name }) => name in layout.replicas)
      .map((declaration) => ({
        declaration,
        database: new ReplicaDatabase(world, declaration.name),
        redis: layout.cached.includes(declaration.name) ? new RedisServer(() => world.now) : undefined,
        readers: new Map(),
      }));
  }

  /** Ends all faults: what was paused continues, and what has ended starts now. */
  heal(): void {
    const { world } = this;
    world.rates = { crash: 0, pause: 0, request: 0 };
    world.trace(world.outside, () => "all faults end");
    for (const { database } of this.replicas) database.start();
    for (const process of this.running.values()) world.resume(process);
    for (const { run } of [...this.restarts.values()]) run?.();
  }

  /** Starts all processes. */
  start(): void {
    const { relays, streams, isStatic } = this.layout;
    for (const replica of this.replicas) this.startReplica(replica);
    for (let i = 1; i <= relays; i++) this.supervise(`relay ${i}`, (process) => runRelay(this, process));
    for (let i = 1; i <= streams; i++) {
      empty(fileOf(i));
      const name = `stream ${i}`;
      const onRestart = () => {
        if (this.world.random.chance(0.25)) empty(fileOf(i));
      };
      this.supervise(name, (process) => runStream(this, process, fileOf(i), isStatic ? name : undefined), onRestart);
    }
  }

  private startReplica(replica: ReplicaServers): void {
    const { name } = replica.declaration;
    for (let i = 1; i <= this.layout.replicas[name]!; i++) {
      const instance = this.layout.isStatic ? `${name} ${i}` : undefined;
      this.supervise(`${name} ${i}`, (process) => runReplica(this, replica, process, instance));
    }
  }

  /** Runs a process, and another one in its place when it has ended. */
  private supervise(name: string, run: (process: SimulatedProcess) => Promise<void>, onRestart = () => {}): void {
    const { world } = this;
    const process = new SimulatedProcess(name, true, () => this.restart(process, run, onRestart));
    this.running.set(name, process);
    world.schedule(0, process, () => {
      world.trace(process, () => "starts");
      run(process).then(
        () => world.crash(process, "ends"),
        (error: unknown) => world.crash(process, `ends: ${error instanceof Error ? error.message : String(error)}`),
      );
    });
  }

  private restart(
    ended: SimulatedProcess,
    run: (process: SimulatedProcess) => Promise<void>,
    onRestart: () => void,
  ): void {
    const { world, restarts } = this;
    const { name } = ended;
    this.source.disconnect(ended);
    for (const { readers } of this.replicas) readers.delete(ended);
    const isCalm = world.rates.crash === 0;
    const delayMs = isCalm ? 50 : world.random.pick([20, 300, 1_500, 4_500]) * (0.5 + world.random.number());
    const event = world.schedule(delayMs, world.outside, () => {
      event.run = undefined;
      restarts.delete(name);
      onRestart();
      this.supervise(name, run, onRestart);
    });
    restarts.set(name, event);
  }
}
