import { afterEach, expect, setSystemTime, test } from "bun:test";
import { encodeDeadLetter } from "../contracts/dead-letter.ts";
import { UpcastError } from "../contracts/entity/upcast.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import type { TopicPartition } from "../kafka/log.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { project } from "../tests/project/index.ts";
import { DeadLetterWriter, unappliableCause, unreadableCause } from "./dead-letters.ts";

afterEach(() => setSystemTime());

test("P6: the log writer is opened once for all partitions, and again before the brokers forget it", async () => {
  const opened: string[][] = [];
  class CountingLog extends SimulatedLog {
    override openWriter(name: string, partitions: readonly TopicPartition[]) {
      opened.push(partitions.map(({ topic, partition }) => `${topic}/${partition}`));
      return super.openWriter(name, partitions);
    }
  }
  const log = new CountingLog(2);
  const writer = new DeadLetterWriter(log, project.allEntities, "dead-letters");
  const [entity] = project.allEntities;
  const source = { topic: "events", partition: 1 };
  log.append(source, [{ key: "a", value: "x", headers: {} }]);
  const cause = unreadableCause(new SyntaxError(), "catalog");
  const stored = () => log.records({ topic: deadLetterTopic(entity!).name, partition: 1 }).length;
  const write = () => writer.write(entity!, 1, [encodeDeadLetter(log.records(source)[0]!, cause)]);
  await Promise.all([write(), write()]);
  expect(opened).toEqual([
    project.allEntities.flatMap((one) => [0, 1].map((n) => `${deadLetterTopic(one).name}/${n}`)),
  ]);
  setSystemTime(Date.now() + 11 * 3_600_000);
  await write();
  expect([opened.length, stored()]).toEqual([1, 3]);
  setSystemTime(Date.now() + 3_600_000);
  await write();
  expect([opened.length, stored()]).toEqual([2, 4]);
  await writer.close();
});

test("the cause of a failed upcast names the schema version and the stack frames, and quotes no value", () => {
  const parserError = new SyntaxError('Unexpected token in "secret-canary"');
  const cause = unreadableCause(
    new UpcastError("product", 1, "the upcaster of version 1 threw a SyntaxError", { cause: parserError }),
    "catalog",
  );
  expect(cause).toMatchObject({ reason: "unreadable", replica: "catalog" });
  expect(cause.detail).toBe(
    "schema version 1 of product cannot be read: the upcaster of version 1 threw a SyntaxError",
  );
  expect(cause.stack).toContain("letters.unit.test.ts");
  expect(JSON.stringify(cause)).not.toContain("canary");
});

test("the cause of a record that is no event says which kind, and quotes nothing of it", () => {
  const causes = [new SyntaxError('Unexpected token in "secret-canary"'), new TypeError("secret-canary"), "canary"].map(
    (error) => unreadableCause(error, "catalog"),
  );
  expect(causes.map(({ detail }) => detail)).toEqual([
    "the value is not JSON (SyntaxError)",
    "the stream does not write such events (TypeError)",
    "the stream does not write such events (unknown)",
  ]);
  expect(JSON.stringify(causes)).not.toContain("canary");
});

test("P13: the cause of a rejected row names objects of the database, and quotes no value of class 22", () => {
  const names = { constraint: "positive", column: "", table: "products" };
  const detailOf = (code: string, message: string) =>
    unappliableCause({ code, message, names, raised: false }, "catalog").detail;
  expect(detailOf("22P02", 'invalid input syntax for type integer: "secret\n"canary""')).toBe(
    "SQLSTATE 22P02: invalid input syntax for type integer: …, constraint positive, table products",
  );
  expect(detailOf("23514", 'new row violates check "positive"')).toBe(
    'SQLSTATE 23514: new row violates check "positive", constraint positive, table products',
  );
});
