/** What a process that goes on writing notices of a database that went back under it. */
import { expect, test } from "bun:test";
import { appendFileSync, chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { replicaTopic } from "../../contracts/topics.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { startPostgres } from "../../stack/servers/postgres.ts";
import { freePort, temporaryFolder } from "../../tests/harness/parts.ts";
import { entity, openDatabase, replicaDatabase, silent } from "../../tests/harness/replica.ts";
import { SimulatedLog } from "../../tests/harness/simulated-log.ts";
import { migrationsOf } from "../migrations/index.ts";
import { DatabaseWentBackError, Positions, type PositionsParts } from "./positions.ts";

const at = { topic: replicaTopic(entity, "catalog").name, partition: 0 };

/** A log with ten records, of which the group has passed all. */
class PassedLog extends SimulatedLog {
  override topicConfig = async () => new Map(Object.entries(replicaTopic(entity, "catalog").config));
  override committedOffsets = async () => new Map([[0, 10]]);
}

const log = new PassedLog(1);
log.append(
  at,
  Array.from({ length: 10 }, (_, n) => ({ key: String(n), value: null, headers: {} })),
);

/** A process that owns the partition and has applied everything that the group has. */
async function owning(database: PositionsParts["database"]): Promise<Positions> {
  const positions = new Positions({ database, log, group: "group", topics: [at.topic] });
  await positions.begin();
  positions.assigned([at]);
  positions.reached(at, (await positions.missing(at)).next);
  await positions.save(0);
  return positions;
}

const apply = (positions: Positions, offset: number) => {
  const record = { ...at, offset, timestampMs: 0, key: null, value: null, headers: {}, rawHeaders: {} };
  positions.applied({ ...at, records: [record], highWatermark: offset + 1 });
};

test("a position that is behind what was written there is not written over: the process must end", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const here = async () => (await sql`select next_offset::int as here from lockstep.positions`).map(({ here }) => here);
  const positions = await owning(database.database);
  apply(positions, 20);
  await positions.save(0);
  expect(await here()).toEqual([21]);
  await sql`update lockstep.positions set next_offset = 15`;
  apply(positions, 30);
  await expect(positions.save(0)).rejects.toThrow(DatabaseWentBackError);
  expect(await here()).toEqual([15]);
  await sql`delete from lockstep.positions`;
  await expect(positions.save(0)).rejects.toThrow(DatabaseWentBackError);
  expect(await here()).toEqual([]);
});

test("a database that begins where the log has lost its beginning lacks nothing, now or later", async () => {
  await using database = await replicaDatabase("catalog");
  class CutLog extends PassedLog {
    override committedOffsets = async () => new Map<number, number>();
    override offsets = async () => new Map([[0, { first: 7, next: 10 }]]);
  }
  const positions = new Positions({
    database: database.database,
    log: new CutLog(1),
    group: "new",
    topics: [at.topic],
  });
  positions.assigned([at]);
  expect(await positions.missing(at)).toEqual({ from: 0, to: 0, next: 7, lost: false });
  positions.reached(at, 7);
  await positions.save(0);
  expect(await positions.missing(at)).toMatchObject({ lost: false });
  await database.sql`update lockstep.positions set next_offset = 6`;
  expect(await positions.missing(at)).toMatchObject({ lost: true });
});

test("a position that somebody else has moved on is theirs, and no reason to end", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const here = async () => (await sql`select next_offset::int as here from lockstep.positions`)[0]!.here;
  const positions = await owning(database.database);
  await sql`update lockstep.positions set next_offset = 40`;
  apply(positions, 30);
  await positions.save(0);
  expect(await here()).toBe(40);
  apply(positions, 50);
  await positions.save(0);
  expect(await here()).toBe(51);
});

test("a server that came back in another life, as after a failover, is noticed though its positions are the same", async () => {
  const options = { name: "db", dir: temporaryFolder("failover"), port: await freePort(), database: "catalog" };
  const first = await startPostgres(options);
  await migrate(first.url, migrationsOf("catalog"), silent);
  const database = openDatabase(first.url);
  const positions = await owning(database);
  const sql = postgres(first.url, { max: 1, onnotice: () => {} });
  const [{ data_directory: folder }] = (await sql`show data_directory`) as unknown as [{ data_directory: string }];
  await sql.end();
  await first.stop();

  // Recovery that finds no more WAL ends as a standby's does that is promoted: on a timeline of its own.
  const { uid, gid } = statSync(folder);
  writeFileSync(join(folder, "recovery.signal"), "");
  chownSync(join(folder, "recovery.signal"), uid, gid);
  appendFileSync(join(folder, "postgresql.auto.conf"), "restore_command = 'false'\n");
  const second = await startPostgres(options);
  try {
    apply(positions, 20);
    const saved = async () =>
      positions.save(0).then(
        () => "saved",
        (error) => error,
      );
    let answer = await saved();
    while (!(answer instanceof DatabaseWentBackError) && answer !== "saved") answer = await saved();
    expect(answer).toBeInstanceOf(DatabaseWentBackError);
    const again = await owning(database);
    apply(again, 21);
    await again.save(0);
  } finally {
    await database.close();
    await second.stop();
  }
}, 60_000);
