/**
 * Reads every part of a system and lists the conditions that are present. No other place does: `lockstep status` reads
 * once, and the console repeatedly.
 */
import type { Control } from "../../contracts/control.ts";
import type { Project } from "../../contracts/project.ts";
import { controlTopic, deadLetterTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { Connections } from "../connect.ts";
import { readControls } from "../pause/control.ts";
import { type ConsumerLag, readConsumerLags } from "../status/consumer-lag.ts";
import { readServiceHealth, type ServiceHealth } from "../status/service-health.ts";
import { type LastVerification, readLastVerifications } from "../verify/results.ts";
import { type ActiveCondition, mergeConditions } from "./active-condition.ts";
import { BoundedReader, type Part, type Reading } from "./bounded-reader.ts";
import { conditionsOfConsumers, conditionsOfTopics, findMissingTopics } from "./from-log.ts";
import { findEmptyTables, readReplicaConditions } from "./from-replicas.ts";
import { conditionsOfServices } from "./from-services.ts";
import {
  conditionsOfOutbox,
  conditionsOfSource,
  type OutboxState,
  readOutbox,
  readSourceState,
  type SourceState,
} from "./from-source.ts";
import { readReplicaDrift, readSourceDrift, type TableDrift } from "./from-tables.ts";
import { conditionsOfVerifications } from "./from-verifications.ts";
import { conditionsOfDeadLetters, DeadLetterCounter, type OpenCount } from "./open-dead-letters.ts";
import { ProgressWatch } from "./progress-watch.ts";
import { RecentValue } from "./recent-value.ts";

/** What was read, and the conditions that follow. A null member could not be read: a condition says why. */
export interface SystemState {
  /** All conditions: those that services report, and those that this process sees itself. */
  readonly conditions: readonly ActiveCondition[];
  /** Conditions that this process sees itself, whatever the services report. */
  readonly seen: readonly ActiveCondition[];
  readonly services: readonly ServiceHealth[];
  readonly outbox: OutboxState | null;
  readonly consumers: readonly ConsumerLag[] | null;
  readonly deadLetters: readonly OpenCount[] | null;
  readonly verifications: readonly LastVerification[] | null;
  /** Sentences about what is ignored on purpose: columns that are not declared. */
  readonly notes: readonly string[];
}

/** Settings of a {@link ConditionReader}. */
export interface ConditionReaderOptions {
  /** How long a part may take to respond, in milliseconds. A whole read takes at most four times as long. */
  readonly timeoutMs: number;
  /** Interval of the periodic verification, in seconds; 0: it is off. */
  readonly verifyEverySeconds: number;
}

/**
 * Age at which what comes from catalogs is read again, in milliseconds. These reads cost a database most, and the
 * console reads conditions every second. Each reading still asks whether the database responds.
 */
const CATALOG_MS = 3_000;

const SOURCE = { where: "source", unavailable: "source-unavailable" } as const;
const LOG = { where: "brokers", unavailable: "log-unavailable" } as const;
const replicaPart = (name: string, what: string): Part => ({
  name: what,
  where: name,
  unavailable: "database-unavailable",
});

/** Reads a system as often as `read` is called. It remembers positions, and so sees consumers that make no progress. */
export class ConditionReader {
  readonly progress = new ProgressWatch();
  private readonly reader: BoundedReader;
  private readonly deadLetters: DeadLetterCounter;
  private readonly sourceState = new RecentValue<SourceState>(CATALOG_MS);
  private readonly sourceDrift = new RecentValue<TableDrift>(CATALOG_MS);
  private readonly replicaCatalogs: ReadonlyMap<string, RecentValue<readonly ActiveCondition[]>>;

  constructor(
    private readonly connections: Connections,
    private readonly project: Project,
    private readonly options: ConditionReaderOptions,
  ) {
    this.reader = new BoundedReader(options.timeoutMs);
    this.deadLetters = new DeadLetterCounter(connections, project.entities);
    this.replicaCatalogs = new Map(project.replicaNames.map((name) => [name, new RecentValue(CATALOG_MS)]));
  }

  /** Reads all parts at the same time. Never rejects. */
  async read(): Promise<SystemState> {
    const { connections, project } = this;
    const { replicaNames } = project;
    const [services, source, log, replicas] = await Promise.all([
      Promise.all(connections.addresses.services.map(readServiceHealth)),
      this.readSource(),
      this.readLog(),
      Promise.all(replicaNames.map((name) => this.readReplica(name))),
    ]);
    const responding = replicaNames.filter((_, i) => !replicas[i]!.failure);
    const empty = await this.readEmptyTables(responding, source.outbox, log.consumers);
    const ofServices = conditionsOfServices(services, project);
    const seen = mergeConditions(
      ofServices.filter(({ condition }) => condition === "service-down" || condition === "status-unknown"),
      source.conditions,
      log.conditions,
      replicas.flatMap((replica) => conditionsOfReading(replica, (value) => value)),
      empty,
    );
    const { outbox, verifications } = source;
    const { consumers, deadLetters } = log;
    const conditions = mergeConditions(ofServices, seen);
    return { conditions, seen, services, outbox, consumers, deadLetters, verifications, notes: source.notes };
  }

  private async readSource() {
    const { reader, connections, project, options } = this;
    const read = <T>(name: string, work: (source: Sql) => Promise<T>): Promise<Reading<T>> =>
      reader.read({ ...SOURCE, name }, async () => work(connections.source()));
    const nowMs = Date.now();
    const [outbox, state, drift, verifications] = await Promise.all([
      read("the outbox", readOutbox),
      read("the state of the source", (source) => this.sourceState.get(() => readSourceState(source, project))),
      read("the tables of the source", (source) => this.sourceDrift.get(() => readSourceDrift(source, project))),
      read("the last verifications", readLastVerifications),
    ]);
    const conditions = [
      ...conditionsOfReading(outbox, (value) => conditionsOfOutbox(value, nowMs)),
      ...conditionsOfReading(state, conditionsOfSource),
      ...conditionsOfReading(drift, ({ conditions }) => conditions),
      ...conditionsOfReading(verifications, (value) =>
        conditionsOfVerifications(value, project, options.verifyEverySeconds, nowMs),
      ),
    ];
    return {
      conditions,
      outbox: outbox.value ?? null,
      verifications: verifications.value ?? null,
      notes: drift.value?.notes ?? [],
    };
  }

  private async readLog() {
    const { reader, connections, project } = this;
    const nothing = { consumers: null, deadLetters: null };
    const connected = await reader.read({ ...LOG, name: "the log" }, () => connections.log());
    if (connected.failure) return { ...nothing, conditions: [{ ...connected.failure, condition: LOG.unavailable }] };
    const log = connected.value;
    const missing = await reader.read({ ...LOG, name: "the list of topics" }, () => findMissingTopics(log, project));
    if (missing.failure) return { ...nothing, conditions: [missing.failure] };
    const [consumers, deadLetters] = await Promise.all([
      reader.read({ ...LOG, name: "the consumers' positions" }, () => this.readConsumers(log, missing.value)),
      this.readDeadLetters(missing.value),
    ]);
    const conditions = [
      ...conditionsOfTopics(missing.value, project),
      ...conditionsOfReading(consumers, (value) => [
        ...conditionsOfConsumers(value),
        ...this.progress.observe(value, Date.now()),
      ]),
      ...conditionsOfReading(deadLetters, conditionsOfDeadLetters),
    ];
    return { conditions, consumers: consumers.value ?? null, deadLetters: deadLetters.value ?? null };
  }

  /** The first count of many dead letters may take longer than one response, so a late one is only unknown. */
  private async readDeadLetters(missing: readonly string[]): Promise<Reading<readonly OpenCount[]>> {
    const { entities } = this.project;
    const topic = entities.map((entity) => deadLetterTopic(entity).name).find((name) => missing.includes(name));
    if (topic) return { failure: conditionsOfTopics([topic], this.project)[0]! };
    return this.reader.read({ where: LOG.where, name: "the dead letters" }, () => this.deadLetters.count());
  }

  private async readConsumers(log: Log, missing: readonly string[]): Promise<ConsumerLag[]> {
    const { project } = this;
    const isMissing = missing.includes(controlTopic(project).name);
    const controls = isMissing ? new Map<string, Control>() : await readControls(log, project);
    return readConsumerLags(log, project, controls, missing);
  }

  private readReplica(name: string): Promise<Reading<readonly ActiveCondition[]>> {
    return this.reader.read(replicaPart(name, `the database of ${name}`), async () => {
      const sql = this.connections.replica(name);
      const [conditions] = await Promise.all([
        this.replicaCatalogs.get(name)!.get(() => this.readReplicaCatalog(sql, name)),
        sql`select`,
      ]);
      return conditions;
    });
  }

  private async readReplicaCatalog(sql: Sql, name: string): Promise<readonly ActiveCondition[]> {
    const found = await Promise.all([readReplicaConditions(sql, name), readReplicaDrift(sql, this.project, name)]);
    return found.flat();
  }

  /** Only while no change is in flight. An outbox or a lag that is not known is a condition of its own. */
  private async readEmptyTables(
    replicas: readonly string[],
    outbox: OutboxState | null,
    consumers: readonly ConsumerLag[] | null,
  ): Promise<readonly ActiveCondition[]> {
    if (!outbox || outbox.depth > 0 || !consumers) return [];
    const isBehind = (name: string) => consumers.some((one) => one.name === name && one.lag > 0);
    if (isBehind("stream")) return [];
    const found = await Promise.all(
      replicas
        .filter((name) => !isBehind(name))
        .map((name) =>
          this.reader.read(replicaPart(name, `the tables of ${name}`), () =>
            findEmptyTables(
              { source: this.connections.source(), replica: this.connections.replica(name) },
              this.project,
              name,
            ),
          ),
        ),
    );
    return found.flatMap((reading) => conditionsOfReading(reading, (value) => value));
  }
}

const conditionsOfReading = <T>(
  reading: Reading<T>,
  conditionsOf: (value: T) => readonly ActiveCondition[],
): readonly ActiveCondition[] => (reading.failure ? [reading.failure] : conditionsOf(reading.value));
