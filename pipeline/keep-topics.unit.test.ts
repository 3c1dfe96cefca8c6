import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { controlTopic, receiptsTopic, topicsOf } from "../contracts/topics.ts";
import type { TopicSpec } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { project } from "../tests/project/index.ts";
import { TopicKeeper } from "./keep-topics.ts";

const declared = [...project.allEntities.flatMap(topicsOf), controlTopic(project), receiptsTopic(project)].map(
  ({ name }) => name,
);

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Brokers that know the names of topics only. */
class Brokers {
  readonly topics = new Set<string>();
  readonly forbidden = new Set<string>();
  readonly created: string[] = [];
  isReadOnly = false;

  async topicIds(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (names.some((name) => this.forbidden.has(name))) throw new Error("TOPIC_AUTHORIZATION_FAILED");
    return new Map(names.filter((name) => this.topics.has(name)).map((name) => [name, "id"]));
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    if (this.isReadOnly) throw new Error("no broker responds");
    for (const { name } of specs) if (!this.topics.has(name)) this.created.push(name);
    for (const { name } of specs) this.topics.add(name);
  }
}

/** A keeper that has created all topics, and the time that passes. */
async function started() {
  const brokers = new Brokers();
  const keeper = new TopicKeeper({ settings: readSettings({}), logger: createLogger("test", "1", "silent"), project });
  await keeper.start(brokers);
  await brokers.ensureTopics([controlTopic(project), receiptsTopic(project)]);
  expect(brokers.created.toSorted()).toEqual(declared.toSorted());
  brokers.created.length = 0;
  return { brokers, keeper };
}

/** Lets the next check run to its end. */
async function check(): Promise<void> {
  jest.advanceTimersByTime(2_000);
  for (let turns = 0; turns < 100; turns++) await Promise.resolve();
}

test("topics that were deleted are created again, and reported until they are", async () => {
  const { brokers, keeper } = await started();
  await check();
  expect(brokers.created).toEqual([]);
  for (const name of ["products.events", "lockstep.control"]) brokers.topics.delete(name);
  brokers.isReadOnly = true;
  await check();
  expect(keeper.check.problem()).toBe("missing topics: products.events, lockstep.control");
  brokers.isReadOnly = false;
  await check();
  expect(brokers.created.toSorted()).toEqual(["lockstep.control", "products.events"]);
  expect(keeper.check.problem()).toBeUndefined();
  keeper[Symbol.dispose]();
});

test("a service that may not see one group of topics creates those of the others", async () => {
  const { brokers, keeper } = await started();
  brokers.forbidden.add("lockstep.receipts");
  brokers.topics.delete("products.dead-letter");
  await check();
  expect(brokers.created).toEqual(["products.dead-letter"]);
  keeper[Symbol.dispose]();
  brokers.topics.delete("products.dead-letter");
  await check();
  expect(brokers.created).toEqual(["products.dead-letter"]);
});
