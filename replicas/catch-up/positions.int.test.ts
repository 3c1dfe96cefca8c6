/** How a running process detects that its database went back in time. */
import { expect, test } from "bun:test";
import { appendFileSync, chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { replicaTopic } from "../../contracts/topics.ts";
import { createMetrics } from "../../observability/metrics.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { startPostgres } from "../../stack/servers/postgres.ts";
import { entity, openDatabase, replicaDatabase, silentLogger } from "../../tests/harness/replica.ts";
import { freePort, temporaryFolder } from "../../tests/harness/servers.ts";
import { SimulatedLog } from "../../tests/harness/simulated-log.ts";
import { project } from "../../tests/project/index.ts";
import { migrationsOf } from "../migrations/index.ts";
import { CatchUp } from "./catch-up.ts";
import { DatabaseWentBackError, Positions, type PositionsDeps } from "./positions.ts";

const at = { topic: replicaTopic(entity, "catalog").name, partition: 0 };

/** A log with ten records, all of them committed by the group. */
class ConsumedLog extends SimulatedLog {
  override topicConfig = async () => new Map(Object.entries(replicaTopic(entity, "catalog").config));
  override committedOffsets = async () => new Map([[0, 10]]);
}

const log = new ConsumedLog(1);
log.append(
  at,
  Array.from({ length: 10 }, (_, n) => ({ key: String(n), value: null, headers: {} })),
);

/** A process that owns the partition and has applied everything that the group has. */
async function ownPartition(database: PositionsDeps["database"]): Promise<Positions> {
  const positions = new Positions({ database, log, group: "group", topics: [at.topic] });
  await positions.begin();
  positions.assigned([at]);
  await positions.reached(at, (await positions.missing(at)).next);
  await positions.save(0);
  return positions;
}

const apply = (positions: Positions, offset: number) => {
  const record = { ...at, offset, timestampMs: 0, key: null, value: null, headers: {}, rawHeaders: {} };
  positions.applied({ ...at, records: [record], highWatermark: offset + 1 });
};

test("a position below the saved one is not overwritten, and the process must end", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const stored = async () =>
    (await sql`select next_offset::int as stored from lockstep.positions`).map((row) => row.stored);
  const positions = await ownPartition(database.database);
  apply(positions, 20);
  await positions.save(0);
  expect(await stored()).toEqual([21]);
  await sql`update lockstep.positions set next_offset = 15`;
  apply(positions, 30);
  await expect(positions.save(0)).rejects.toThrow(
    "the replica's database lacks changes that it had: it was restored, or a server that lagged took over",
  );
  expect(await stored()).toEqual([15]);
  await sql`delete from lockstep.positions`;
  await expect(positions.save(0)).rejects.toThrow(DatabaseWentBackError);
  expect(await stored()).toEqual([]);
});

test("a new database lacks nothing that the log deleted before it existed", async () => {
  await using database = await replicaDatabase("catalog");
  class TruncatedLog extends ConsumedLog {
    override committedOffsets = async () => new Map<number, number>();
    override offsets = async () => new Map([[0, { first: 7, next: 10 }]]);
  }
  const positions = new Positions({
    database: database.database,
    log: new TruncatedLog(1),
    group: "new",
    topics: [at.topic],
  });
  positions.assigned([at]);
  expect(await positions.missing(at)).toEqual({ from: 0, to: 0, next: 7, lost: false });
  await positions.reached(at, 7);
  await positions.save(0);
  expect(await positions.missing(at)).toMatchObject({ lost: false });
  await database.sql`update lockstep.positions set next_offset = 6`;
  expect(await positions.missing(at)).toMatchObject({ lost: true });
});

test("a position that another process has advanced stays, and is no error", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const stored = async () => (await sql`select next_offset::int as stored from lockstep.positions`)[0]!.stored;
  const positions = await ownPartition(database.database);
  await sql`update lockstep.positions set next_offset = 40`;
  apply(positions, 30);
  await positions.save(0);
  expect(await stored()).toBe(40);
  apply(positions, 50);
  await positions.save(0);
  expect(await stored()).toBe(51);
});

test("P10: a database that is ahead of its group keeps its position while the group catches up", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  await sql`insert into lockstep.positions (topic, "partition", next_offset, at, topic_id) values (${at.topic}, 0, 21, now(), '1')`;
  const ahead = new ConsumedLog(1);
  ahead.append(
    at,
    Array.from({ length: 30 }, (_, n) => ({ key: String(n), value: null, headers: {} })),
  );
  const positions = new Positions({ database: database.database, log: ahead, group: "group", topics: [at.topic] });
  await positions.begin();
  positions.assigned([at]);
  const missing = await positions.missing(at);
  expect(missing).toEqual({ from: 10, to: 10, next: 21, lost: false });
  await positions.reached(at, missing.next);
  for (const [offset, expected] of [
    [12, 21],
    [20, 21],
    [21, 22],
  ] as const) {
    apply(positions, offset);
    await positions.save(0);
    const [row] = await sql`select next_offset::int as stored from lockstep.positions`;
    expect(row!.stored, `position after the record ${offset} was applied`).toBe(expected);
  }
});

test("P10: a new leader that lacks the last records at first is no loss; one that never has them is", async () => {
  await using database = await replicaDatabase("catalog");
  /** The end of the log as the brokers report it, one number for each request; the last one repeats. */
  const ends = [8, 10];
  class LaggingLog extends ConsumedLog {
    override offsets = async () => new Map([[0, { first: 0, next: ends.length > 1 ? ends.shift()! : ends[0]! }]]);
  }
  await ownPartition(database.database);
  const options = { database: database.database, log: new LaggingLog(1), group: "group", topics: [at.topic] };
  const positions = new Positions(options);
  await positions.begin();
  positions.assigned([at]);
  expect(await positions.missing(at)).toMatchObject({ lost: false });
  ends[0] = 8;
  expect(await positions.missing(at)).toMatchObject({ lost: true });
}, 30_000);

const catchUpDeps = {
  process: async () => {},
  onCaughtUp: () => {},
  rebuild: async () => {},
  lagMs: () => 0,
  logger: silentLogger,
  metrics: createMetrics("test", "1"),
};

test("a stale replica whose database is read-only waits, and rebuilds when the database is writable", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const positions = await ownPartition(database.database);
  await sql`update lockstep.positions set at = now() - interval '8 days'`;
  const reasons: (string | undefined)[] = [];
  const catchUp: CatchUp = new CatchUp({
    ...catchUpDeps,
    positions,
    log,
    rebuild: async () => {
      reasons.push(catchUp.rebuildProblem());
      if (reasons.length === 1) await sql.begin("read only", (transaction) => transaction`create schema lockstep_next`);
      else await sql`update lockstep.positions set at = now()`;
    },
  });
  await catchUp.begin();
  await catchUp.close();
  expect(reasons).toEqual([expect.stringContaining("s behind"), expect.stringContaining("s behind")]);
});

test("P10: a topic that was deleted and created again is lost, also before the end of its absence is noticed", async () => {
  await using database = await replicaDatabase("catalog");
  /** Brokers without identities of topics, such as Redpanda: only offsets show that the topic is another one. */
  class RecreatedLog extends ConsumedLog {
    exists = true;
    override topicIds = async () => new Map(this.exists ? [[at.topic, ""]] : []);
  }
  const recreated = new RecreatedLog(1);
  recreated.append(at, log.records(at));
  const positions = new Positions({ database: database.database, log: recreated, group: "g", topics: [at.topic] });
  const catchUp = new CatchUp({
    positions,
    log: recreated,
    ...catchUpDeps,
  });
  await positions.begin();
  positions.assigned([at]);
  await positions.reached(at, (await positions.missing(at)).next);
  recreated.exists = false;
  await positions.check();
  expect(catchUp.logProblem()).toBe(`topic ${at.topic} does not exist`);
  recreated.exists = true;
  recreated.records(at).splice(0);
  catchUp.assigned([at]);
  await expect(catchUp.failed).rejects.toThrow("the log has deleted changes");
  expect(await positions.stale()).toContain("the log has deleted changes");
});

/** A process whose database has everything before offset 10, of a log with 20 records. */
async function caughtUp(database: PositionsDeps["database"], whileReading: (catchUp: CatchUp) => void = () => {}) {
  const longer = new ConsumedLog(1);
  longer.append(at, [...log.records(at), ...log.records(at)]);
  const reached = Promise.withResolvers<void>();
  const processed: number[] = [];
  const catchUp = new CatchUp({
    ...catchUpDeps,
    log: longer,
    positions: new Positions({ database, log: longer, group: "group", topics: [at.topic] }),
    process: async ({ records }) => void processed.push(...records.map(({ offset }) => offset)),
    onCaughtUp: () => reached.resolve(),
  });
  await catchUp.begin();
  catchUp.assigned([at]);
  whileReading(catchUp);
  await reached.promise;
  processed.length = 0;
  const batchFrom = (offset: number) => ({ ...at, records: longer.records(at).slice(offset), highWatermark: 20 });
  return { longer, catchUp, processed, batchFrom };
}

test("P1: after a gap with records that the database lacks, no batch is applied, and the loss is kept", async () => {
  await using database = await replicaDatabase("catalog");
  const { longer, catchUp, processed, batchFrom } = await caughtUp(database.database);
  longer.deleteBefore(at, 15);
  catchUp.onGap(at);
  await expect(catchUp.process(batchFrom(15))).rejects.toThrow(
    `the log has deleted records of ${at.topic}/0 that the replica lacks; it is rebuilt at the next start`,
  );
  await expect(catchUp.failed).rejects.toThrow("the log has deleted changes that the database lacks");
  expect(processed, "offsets that were applied after the gap").toEqual([]);
  await catchUp.close();
  const [row] = await database.sql`select next_offset::int as stored, at = 'epoch' as lost from lockstep.positions`;
  expect(row).toEqual({ stored: 10, lost: true });
});

test("P1: after a gap with records that the database has, the next batch is applied", async () => {
  await using database = await replicaDatabase("catalog");
  const { longer, catchUp, processed, batchFrom } = await caughtUp(database.database);
  longer.deleteBefore(at, 8);
  catchUp.onGap(at);
  await catchUp.process(batchFrom(10));
  expect(processed).toEqual(longer.records(at).flatMap(({ offset }) => (offset >= 10 ? [offset] : [])));
  await catchUp.close();
});

test("P14: a partition that has a gap while its missing records are read reaches its offset without another batch", async () => {
  await using database = await replicaDatabase("catalog");
  const { catchUp } = await caughtUp(database.database, (reading) => reading.onGap(at));
  await catchUp.close();
});

test("another incarnation of the server, as after a failover, is detected although its positions are the same", async () => {
  const options = { name: "db", dir: temporaryFolder("failover"), port: await freePort(), database: "catalog" };
  const first = await startPostgres(options);
  await migrate(first.url, migrationsOf(project, "catalog"), silentLogger);
  const database = openDatabase(first.url);
  const positions = await ownPartition(database);
  const sql = postgres(first.url, { max: 1, onnotice: () => {} });
  const [{ data_directory: folder }] = (await sql`show data_directory`) as unknown as [{ data_directory: string }];
  await sql.end();
  await first.stop();

  // Recovery without further WAL ends on a new timeline, like the promotion of a standby.
  const { uid, gid } = statSync(folder);
  writeFileSync(join(folder, "recovery.signal"), "");
  chownSync(join(folder, "recovery.signal"), uid, gid);
  appendFileSync(join(folder, "postgresql.auto.conf"), "restore_command = 'false'\n");
  const second = await startPostgres(options);
  try {
    apply(positions, 20);
    const save = async () =>
      positions.save(0).then(
        () => "saved",
        (error) => error,
      );
    let result = await save();
    while (!(result instanceof DatabaseWentBackError) && result !== "saved") result = await save();
    expect(result).toBeInstanceOf(DatabaseWentBackError);
    const restarted = await ownPartition(database);
    apply(restarted, 21);
    await restarted.save(0);
  } finally {
    await database.close();
    await second.stop();
  }
}, 60_000);
