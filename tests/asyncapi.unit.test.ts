/** The AsyncAPI document is valid and complete, and it matches the records that the services write. */
import { describe, expect, test } from "bun:test";
import specification from "@asyncapi/specs/schemas/3.0.0-without-$id.json" with { type: "json" };
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { asyncApi } from "../contracts/asyncapi/document.ts";
import { CLAIM_KEY_PREFIX, CLEARED_LOSSES_KEY, encodeClearedLosses, replicaKey } from "../contracts/control.ts";
import { encodeDeadLetter, encodeMark } from "../contracts/dead-letter.ts";
import { encodeEvent } from "../contracts/event.ts";
import { encodeReceipt } from "../contracts/receipt.ts";
import { encodeRouted, routedHeaders } from "../contracts/routed-event.ts";
import {
  controlTopic,
  deadLetterTopic,
  eventsTopic,
  receiptsTopic,
  replicaTopic,
  topicsOf,
  versionsTopic,
} from "../contracts/topics.ts";
import { route } from "../stream/route.ts";
import { encodeFlush } from "../stream/versions-topic.ts";
import { anyTables } from "./any-table/index.ts";
import { AsyncApiChecker, brokenRefs, type RecordContent } from "./harness/api-descriptions.ts";
import { deleteEvent, productDocument, storedEvent, upsertEvent } from "./harness/product-events.ts";
import { product, project } from "./project/index.ts";

const document = asyncApi(project, "1.0.0");
const { matchingMessages } = new AsyncApiChecker(document);

test.each([
  ["the tests", document],
  ["any table", asyncApi(anyTables, "1.0.0")],
])("the document of %s is valid AsyncAPI 3.0, and each of its references resolves", (_, document) => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  const validate = ajv.compile(specification);
  const plain = JSON.parse(JSON.stringify(document));
  validate(plain);
  expect(validate.errors).toBeNull();
  expect(brokenRefs(document)).toEqual([]);
  expect(validate({ ...plain, channels: { x: { adress: "x" } } })).toBe(false);
});

test("the document lists exactly the declared topics, each with its writers and readers", () => {
  const topics = [...project.entities.flatMap(topicsOf), receiptsTopic(project), controlTopic(project)];
  expect(Object.values(document.channels).map(({ address }) => address)).toEqual(topics.map(({ name }) => name));
  const operations = Object.values(document.operations) as {
    action: string;
    title: string;
    channel: { $ref: string };
  }[];
  const servicesOf = (action: string, name: string) =>
    operations
      .filter((operation) => operation.action === action && operation.channel.$ref === `#/channels/${name}`)
      .map(({ title }) => title);
  for (const { name, writtenBy, readBy } of topics)
    expect([servicesOf("send", name), servicesOf("receive", name)]).toEqual([[...writtenBy], [...readBy]]);
});

test("the document marks the compacted topics", () => {
  const compacted = Object.entries(document.channels).filter(([, { bindings }]) =>
    (bindings.kafka.topicConfiguration["cleanup.policy"] as string[]).includes("compact"),
  );
  expect(compacted.map(([name]) => name)).toEqual([
    "products.to.catalog",
    "products.to.storefront",
    "products.versions",
    "lockstep.control",
  ]);
});

test("each example matches its own message and no other", () => {
  let count = 0;
  for (const [topic, { messages }] of Object.entries(document.channels))
    for (const [name, { examples = [] }] of Object.entries(messages))
      for (const { headers, payload } of examples) {
        count++;
        expect(matchingMessages(topic, { key: headers.ce_subject!, value: JSON.stringify(payload), headers })).toEqual([
          name,
        ]);
      }
  expect(count).toBe(6);
});

test("each example of any table matches its own message and no other", () => {
  const ofAny = asyncApi(anyTables, "1.0.0");
  const checker = new AsyncApiChecker(ofAny);
  let count = 0;
  for (const [topic, { messages }] of Object.entries(ofAny.channels))
    for (const [name, { examples = [] }] of Object.entries(messages))
      for (const { headers, payload } of examples) {
        count++;
        const record = { key: headers.ce_subject!, value: JSON.stringify(payload), headers };
        expect(checker.matchingMessages(topic, record)).toEqual([name]);
      }
  expect(count).toBe(4 * anyTables.entities.length);
});

describe("a record matches exactly one message of its topic, and none once it is corrupted:", () => {
  const upsert = upsertEvent(productDocument());
  const deletion = deleteEvent(upsert.id, 2);
  const events = eventsTopic(product).name;
  const deadLetters = deadLetterTopic(product).name;
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const stored = storedEvent({ ...upsert, traceparent, actor: "ana", digest: "-42", resend: "r1" }, 7, 1);
  const cause = { reason: "unappliable" as const, detail: "d", stack: "s", replica: "catalog" };
  const routed = (replica: string) => {
    const delivery = route(product, upsert).find((candidate) => candidate.replica === replica)!;
    return encodeRouted(upsert, delivery.document, routedHeaders(upsert, 3, traceparent));
  };
  const receipt = encodeReceipt({
    replica: "catalog",
    entity: "product",
    appliedMs: 1,
    cachedMs: null,
    changes: [[upsert.id, 1, 1]],
  });
  const paused = JSON.stringify({ paused: true, at: new Date().toISOString(), reason: "why" });
  const flushed = (absent: readonly string[]) =>
    encodeFlush(new Map([[upsert.id, { version: 4, absent }]]), { partition: 0 } as never)[0] as RecordContent;

  const records: [string, string, RecordContent, Partial<RecordContent>][] = [
    [
      "ProductUpserted",
      events,
      { ...stored, headers: stored.rawHeaders },
      { value: JSON.stringify({ ...upsert.document, price: 1 }) },
    ],
    ["ProductDeleted", events, encodeEvent(deletion), { headers: {} }],
    [
      "CatalogProductUpserted",
      replicaTopic(product, "catalog").name,
      routed("catalog"),
      { value: JSON.stringify(upsert.document) },
    ],
    [
      "StorefrontProductUpserted",
      replicaTopic(product, "storefront").name,
      routed("storefront"),
      { value: routed("catalog").value },
    ],
    [
      "StorefrontProductRemoved",
      replicaTopic(product, "storefront").name,
      encodeRouted(deletion, null, routedHeaders(deletion, 3, undefined)),
      { value: "{}" },
    ],
    [
      "ProductDeadLetter",
      deadLetters,
      encodeDeadLetter(stored, cause),
      { headers: { ...encodeDeadLetter(stored, cause).headers, "lockstep-reason": "whatever" } },
    ],
    [
      "ProductDeadLetterMark",
      deadLetters,
      encodeMark({ origin: { topic: events, partition: 0, offset: 7 }, resolution: "dropped", atMs: 1 }),
      { headers: {} },
    ],
    ["ProductVersion", versionsTopic(product).name, flushed([]), { key: "no id" }],
    ["ProductVersion", versionsTopic(product).name, flushed(["catalog"]), { value: '{"version":4,"absent":[]}' }],
    [
      "Receipt",
      receiptsTopic(project).name,
      { key: null, value: receipt, headers: {} },
      { value: receipt.replace("appliedMs", "applied") },
    ],
    [
      "Control",
      controlTopic(project).name,
      { key: replicaKey("catalog"), value: paused, headers: {} },
      { key: "replica/unknown" },
    ],
    [
      "ClearedLosses",
      controlTopic(project).name,
      { key: CLEARED_LOSSES_KEY, value: encodeClearedLosses(new Date()), headers: {} },
      { value: "{}" },
    ],
    [
      "SourceClaimed",
      controlTopic(project).name,
      {
        key: `${CLAIM_KEY_PREFIX}01a2`,
        value: '{"database":"shop","place":"1/2","at":"2026-01-02T03:04:05.678Z"}',
        headers: {},
      },
      { value: '{"database":"shop"}' },
    ],
  ];

  test.each(records)("%s", (name, topic, record, corruption) => {
    expect(matchingMessages(topic, record)).toEqual([name]);
    expect(matchingMessages(topic, { ...record, ...corruption })).toEqual([]);
  });

  test("every message has a test record, except the catalog's removal", () => {
    const all = Object.values(document.channels).flatMap(({ messages }) => Object.keys(messages));
    expect(all.filter((name) => !records.some(([message]) => message === name))).toEqual(["CatalogProductRemoved"]);
  });
});
