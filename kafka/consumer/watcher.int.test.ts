/** Watchers of one process, step by step, on a real broker. */
import { expect, test } from "bun:test";
import { createLogger } from "../../observability/logger.ts";
import { Barrier, InterceptedCluster } from "../../tests/harness/intercepted-cluster.ts";
import { eventually } from "../../tests/harness/servers.ts";
import { layout, texts, useContract } from "../../tests/kafka-conformance/contract.ts";
import { record } from "../../tests/kafka-conformance/suite.ts";
import { WatchLoops } from "./watch-loops.ts";
import { startWatcher } from "./watcher.ts";

const contract = useContract("epochs");

test("P10: a watcher delivers nothing of a new topic before it has compared the topic's identity", async () => {
  const cluster = await InterceptedCluster.connect();
  const topic = await contract.newTopic();
  const at = { topic, partition: 0 };
  await (await contract.log.openWriter(`${topic}.1`, [at])).write(at, ["a", "b"].map(record));
  const received: string[] = [];
  const deps = {
    cluster,
    loops: new WatchLoops(cluster),
    logger: createLogger("test", "1", "silent"),
    signal: new AbortController().signal,
  };
  const onRecords = (records: Parameters<typeof texts>[0]) => void received.push(...texts(records));
  const watcher = await startWatcher({ topic, from: "start", onRecords }, deps);
  await watcher.caughtUp;

  const comparison = new Barrier();
  const fetched = Promise.withResolvers<void>();
  cluster.intercept = async (name, send) => {
    if (name === "TopicIds") await comparison.wait();
    const response = await send();
    const partitions = name === "Fetch" ? (response as { partitions: readonly { bytes: Buffer }[] }).partitions : [];
    if (partitions.some(({ bytes }) => bytes.length > 0)) fetched.resolve();
    return response;
  };
  await contract.deleteTopic(topic);
  await eventually(async () => (await contract.log.topicIds([topic])).size === 0, {
    timeoutMs: 10_000,
    what: "a delete",
  });
  await contract.log.ensureTopics([{ name: topic, config: {} }], layout(1));
  const again = await contract.log.openWriter(`${topic}.2`, [at]);
  await again.write(at, ["c", "d", "e", "f", "g"].map(record));
  await comparison.reached;
  await fetched.promise;
  // The loop hands over what it fetched within this turn.
  await new Promise((resolve) => setImmediate(resolve));
  expect(received, "records before the comparison").toEqual(["a", "b"]);
  comparison.release();
  await eventually(() => received.length === 7, { timeoutMs: 20_000, what: "the records of the new topic" });
  expect(received).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
  await watcher.close();
  cluster.close();
}, 60_000);

test("all watchers of a process share one long poll, and refresh gets an answer at once", async () => {
  const cluster = await InterceptedCluster.connect();
  const topics = [await contract.newTopic(), await contract.newTopic(2)];
  const deps = {
    cluster,
    loops: new WatchLoops(cluster),
    logger: createLogger("test", "1", "silent"),
    signal: new AbortController().signal,
  };
  const received: string[] = [];
  const onRecords = (records: Parameters<typeof texts>[0]) => void received.push(...texts(records));
  // Two watchers of one topic cannot share a poll.
  const watched = [topics[0]!, topics[1]!, topics[1]!];
  const watchers = await Promise.all(watched.map((topic) => startWatcher({ topic, from: "start", onRecords }, deps)));
  await Promise.all(watchers.map(({ caughtUp }) => caughtUp));
  await Bun.sleep(200);
  const polls: number[] = [];
  cluster.intercept = async (name, send) => {
    const response = await send();
    if (name === "Fetch") polls.push((response as { partitions: readonly unknown[] }).partitions.length);
    return response;
  };
  await Bun.sleep(4_000);
  expect(polls.length, "polls of two loops in 4 seconds").toBeLessThanOrEqual(6);
  expect(new Set(polls)).toEqual(new Set([3, 2]));

  const before = watchers[1]!.readUntil();
  const startedMs = performance.now();
  watchers[1]!.refresh();
  await eventually(() => watchers[1]!.readUntil() > before, { timeoutMs: 400, what: "an answer" });
  expect(watchers[1]!.readUntil()).toBeGreaterThanOrEqual(startedMs);

  await watchers[2]!.close();
  const at = { topic: topics[1]!, partition: 1 };
  await (await contract.log.openWriter(topics[1]!, [at])).write(at, [record("a")]);
  await eventually(() => received.length === 1, { timeoutMs: 5_000, what: "the record at the watcher that remains" });
  for (const watcher of watchers) await watcher.close();
  cluster.close();
}, 60_000);

test("a watcher that lingers fetches rarely while records arrive, and at once after a refresh", async () => {
  const cluster = await InterceptedCluster.connect();
  const topic = await contract.newTopic();
  const at = { topic, partition: 0 };
  const writer = await contract.log.openWriter(topic, [at]);
  const deps = {
    cluster,
    loops: new WatchLoops(cluster),
    logger: createLogger("test", "1", "silent"),
    signal: new AbortController().signal,
  };
  let lingerMs = 1_000;
  const received: string[] = [];
  const onRecords = (records: Parameters<typeof texts>[0]) => void received.push(...texts(records));
  const watcher = await startWatcher({ topic, from: "end", onRecords, lingerMs: () => lingerMs }, deps);
  await watcher.caughtUp;
  let fetches = 0;
  cluster.intercept = (name, send) => {
    if (name === "Fetch") fetches++;
    return send();
  };
  for (let i = 0; i < 10; i++) {
    await writer.write(at, [record(`${i}`)]);
    await Bun.sleep(20);
  }
  expect(received.length).toBeLessThan(10);
  lingerMs = 0;
  watcher.refresh();
  await eventually(() => received.length === 10, { timeoutMs: 500, what: "the records that arrived during the delay" });
  expect(fetches).toBeLessThanOrEqual(4);
  await writer.write(at, [record("prompt")]);
  await eventually(() => received.length === 11, { timeoutMs: 500, what: "a record without a delay" });
  await watcher.close();
  cluster.close();
}, 30_000);
