import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { product, project } from "../tests/project/index.ts";
import { brokerUsers } from "./broker-rights.ts";
import { cachePrefix } from "./cache-entry.ts";
import { encodeEvent, header } from "./event.ts";
import { defineProject } from "./project.ts";
import { controlTopic, receiptsTopic, replicaGroup, streamGroup, topicsOf } from "./topics.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-project-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every name of a project that all projects of one broker and one Redis share. */
const sharedNames = (of: typeof project) => [
  ...of.allEntities.flatMap(topicsOf).map(({ name }) => name),
  receiptsTopic(of).name,
  controlTopic(of).name,
  streamGroup(of),
  ...of.replicaNames.map((name) => replicaGroup(of, name)),
  ...brokerUsers(of).flatMap(({ rights }) => rights.map(({ name }) => name)),
];

test("a namespace prefixes every name at the brokers, and no name without one", () => {
  const staging = defineProject({ entities: [product], namespace: "staging" });
  expect(sharedNames(staging)).toEqual(sharedNames(project).map((name) => `staging.${name}`));
  expect(sharedNames(project)).toContainValues(["products.events", "lockstep.control", "lockstep.replica.catalog"]);
});

test("a namespace is part of cache keys and of the source of events", () => {
  const [staged] = defineProject({ entities: [product], namespace: "staging" }).entities;
  expect([product, staged!].map((entity) => cachePrefix("catalog", entity))).toEqual([
    "lockstep:{catalog.products}",
    "lockstep:{staging.catalog.products}",
  ]);
  const event = { entity: "product", id: "a", version: 1, operation: "deleted", time: "", schemaVersion: 1 } as const;
  const sources = [undefined, "staging"].map((namespace) => encodeEvent({ ...event, namespace, document: null }));
  expect(sources.map(({ headers }) => headers[header.source])).toEqual([
    "/lockstep/gateway",
    "/staging/lockstep/gateway",
  ]);
});

test("a project without a namespace keeps its entities, and has a canary in every replica", () => {
  expect(project.entities).toEqual([product]);
  expect(project.entities[0]).toBe(product);
  expect(project.allEntities.map(({ name }) => name)).toEqual(["product", "canary"]);
  expect(project.allEntities[1]!.replicas.map(({ name }) => name)).toEqual([...project.replicaNames]);
});

test("migrations have the names that databases recorded, in the order of their files", () => {
  const { source, replicas } = project.migrations;
  expect(source.map(({ name }) => name)).toEqual(["0002-products"]);
  expect(replicas.catalog!.map(({ name }) => name)).toEqual(["catalog/0001-products"]);
  expect(defineProject({ entities: [product] }).migrations).toEqual({ source: [], replicas: {} });
});

test("contradictions are rejected with the name that is wrong", () => {
  const migrationsIn = (name: string) => pathToFileURL(`${join(folder, name)}/`);
  mkdirSync(join(folder, "other", "nowhere"), { recursive: true });
  writeFileSync(join(folder, "other", "nowhere", "0001-a.sql"), "select 1");
  const mistakes = [
    () => defineProject({ entities: [], namespace: "Staging" }),
    () => defineProject({ entities: [product, { ...product, plural: "goods" }] }),
    () => defineProject({ entities: [product, { ...product, name: "good" }] }),
    () => defineProject({ entities: [{ ...product, name: "canary" }] }),
    () => defineProject({ entities: [product], migrations: migrationsIn("missing") }),
    () => defineProject({ entities: [product], migrations: migrationsIn("other") }),
  ];
  expect(mistakes[0]).toThrow('namespace "Staging": it begins with a letter');
  expect(mistakes[1]).toThrow("two entities have the name product");
  expect(mistakes[2]).toThrow("two entities have the plural products");
  expect(mistakes[3]).toThrow("two entities have the name canary");
  expect(mistakes[4]).toThrow("does not exist");
  expect(mistakes[5]).toThrow("belong to no replica; the replicas are: catalog, storefront");
});
