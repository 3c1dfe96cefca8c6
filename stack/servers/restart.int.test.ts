import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { freePort, temporaryFolder } from "../../tests/harness/servers.ts";
import { startBroker } from "./broker.ts";
import { brokerMembers } from "./broker-members.ts";
import { startPostgres } from "./postgres.ts";

test("a killed PostgreSQL restarts at the same URL with every committed row", async () => {
  const options = { name: "db", dir: temporaryFolder("embedded"), port: await freePort(), database: "shop" };
  const first = await startPostgres(options);
  const writer = postgres(first.url, { max: 1 });
  await writer`create table t (n int)`;
  await writer`insert into t values (1)`;
  await first.stop("SIGKILL");
  await writer.end({ timeout: 0 });

  const second = await startPostgres(options);
  try {
    expect(second.url).toBe(first.url);
    const reader = postgres(second.url, { max: 1 });
    expect([...(await reader`select n, current_database() as name from t`)]).toEqual([{ n: 1, name: "shop" }]);
    await reader.end();
  } finally {
    await second.stop();
  }
  expect(await second.exited).toBe(0);
});

test("only their owner may read the password file and the log", async () => {
  const dir = temporaryFolder("embedded");
  const server = await startPostgres({ name: "db", dir, port: await freePort(), database: "shop" });
  await server.stop();
  for (const file of ["password", "postgres.log"]) expect(statSync(join(dir, file)).mode & 0o077).toBe(0);
});

test("a killed broker rejoins its cluster on the same data", async () => {
  const node = { nodeId: 1, port: await freePort(), controllerPort: await freePort() };
  const options = { ...node, dir: temporaryFolder("embedded"), cluster: [node] };
  const first = await startBroker(options);
  await first.stop("SIGKILL");
  const second = await startBroker(options);
  try {
    expect(await brokerMembers("127.0.0.1", node.port)).toEqual([1]);
  } finally {
    await second.stop();
  }
});
