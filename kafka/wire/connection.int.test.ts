/** Connections that fail and come back, to a real broker behind a proxy. */
import { expect, test } from "bun:test";
import { createLogger } from "../../observability/logger.ts";
import { brokerAddress } from "../../tests/harness/servers.ts";
import { startProxy } from "../../tests/harness/tcp-proxy.ts";
import { Connection, ConnectionOptions } from "./connection.ts";

const settings = { clientId: "test", logger: createLogger("test", "1", "silent") };

test("a connection that could not be opened, or was lost, is opened again by the next request", async () => {
  const proxy = await startProxy(Number((await brokerAddress()).split(":")[1]));
  const connection = new Connection({ id: 1, host: "127.0.0.1", port: proxy.port }, new ConnectionOptions(settings));
  const request = () => connection.request("Metadata", { topics: [], allowAutoTopicCreation: false });
  for (let outage = 0; outage < 2; outage++) {
    proxy.refuse();
    await expect(request()).rejects.toThrow();
    proxy.heal();
    expect((await request()).brokers).toHaveLength(1);
  }
  connection.close();
  await expect(request()).rejects.toThrow("the connection to broker 1 is closed");
  await proxy.close();
}, 120_000);

test("each request is reported once, by Kafka's name in small letters", async () => {
  const sent: string[] = [];
  const port = Number((await brokerAddress()).split(":")[1]);
  const connection = new Connection(
    { id: 1, host: "127.0.0.1", port },
    new ConnectionOptions({ ...settings, onRequest: (name) => sent.push(name) }),
  );
  await connection.request("Metadata", { topics: [], allowAutoTopicCreation: false });
  await connection.request("GroupCoordinator", { groupId: "g", coordinatorType: 0 });
  connection.close();
  expect(sent).toEqual(["api_versions", "metadata", "find_coordinator"]);
}, 120_000);
