import { expect, test } from "bun:test";
import type { Catalog, Column, Relation } from "./catalog.ts";
import { declarationFile } from "./declaration-source.ts";
import { type AdoptionRequest, planAdoption } from "./plan.ts";
import { replicaTableMigration } from "./replica-table.ts";
import { findRelation, selectRelations } from "./select.ts";

const column = (name: string, over: Partial<Column> = {}): Column => ({
  name,
  type: "integer",
  typeOid: 23,
  modifier: -1,
  notNull: true,
  dimensions: 0,
  identity: "",
  generated: "",
  default: null,
  ...over,
});

let oid = 0;
const table = (schema: string, name: string, columns: readonly string[], over: Partial<Relation> = {}): Relation => ({
  oid: ++oid,
  schema,
  name,
  kind: "r",
  partitionOf: null,
  estimatedRows: 0,
  columns: columns.map((one) => column(one)),
  key: [columns[0]!],
  uniques: [],
  foreignKeys: [],
  ...over,
});

const int4 = {
  oid: 23,
  schema: "pg_catalog",
  name: "int4",
  text: "integer",
  kind: "b",
  element: null,
  base: null,
  labels: null,
  attributes: null,
  subtype: null,
  range: null,
  extension: null,
  extensionSchema: null,
};
const catalogOf = (...relations: Relation[]): Catalog => ({ relations, types: new Map([[23, int4]]) });
const plan = (catalog: Catalog, over: Partial<AdoptionRequest> = {}, obstacles = new Map()) =>
  planAdoption(
    catalog,
    { relations: catalog.relations, children: [], truncate: [], replicas: ["copy"], ...over },
    obstacles,
    [],
  );

const orders = table("public", "orders", ["id"]);
const lines = table("public", "order_lines", ["order_id", "line_no", "api_token"], {
  key: ["order_id", "line_no"],
  foreignKeys: [
    {
      name: "order_lines_order_id_fkey",
      target: { schema: "public", name: "orders" },
      columns: ["order_id"],
      targetColumns: ["id"],
      onDelete: "c",
    },
  ],
});

test("tables of one name get the name of their schema, in singular and plural alike", () => {
  const { entities } = plan(
    catalogOf(
      table("public", "payment", ["id"]),
      table("billing", "payments", ["id"]),
      table("shop", "Payment", ["id"]),
    ),
  );
  expect(entities.map(({ name, plural, replicaTable }) => [name, plural, replicaTable])).toEqual([
    ["payment", "payment", "payment"],
    ["billing_payment", "billing_payments", "payments"],
    ["shop_payment", "shop_payment", "shop_Payment"],
  ]);
});

test("a foreign key becomes a reference, and lines are suggested as children", () => {
  const { entities, hints } = plan(catalogOf(orders, lines));
  expect(entities[1]!.references).toEqual([
    { column: "order_id", entity: "order", constraint: "order_lines_order_id_fkey" },
  ]);
  expect(entities[1]!.secrets).toEqual(["api_token"]);
  expect(hints).toEqual([{ relation: "public.order_lines", parent: "public.orders" }]);
});

test("children belong to their parent's declaration and tables", () => {
  const catalog = catalogOf(orders, lines);
  const { entities } = plan(catalog, { children: [lines] });
  expect(entities.map(({ name }) => name)).toEqual(["order"]);
  const { text } = declarationFile(entities[0]!, catalog.types);
  expect(text).toContain(
    'defineEntity(aggregate(orders, { orderLines: child(orderLines, { parentKey: ["orderId"], key: ["lineNo"], private: ["apiToken"] }) }), {',
  );
  expect(replicaTableMigration(entities[0]!, catalog.types)).toContain(
    "create table order_lines (\n  order_id integer not null,\n  line_no integer not null,\n  primary key (order_id, line_no)\n);",
  );
});

test("each refusal has a reason and a remedy", () => {
  const relations = [
    table("public", "view", ["a"], { kind: "v", key: null }),
    table("public", "part", ["a"], { partitionOf: "public.whole" }),
    table("public", "log", ["a"], { key: null }),
    table("public", "fast", ["a"]),
  ];
  const unlogged = [{ problem: "is unlogged", remedy: "alter table public.fast set logged" }];
  const { refused, entities } = plan(catalogOf(...relations), {}, new Map([[relations[3]!.oid, unlogged]]));
  expect(entities).toEqual([]);
  expect(refused.map(({ obstacles }) => obstacles[0]!.problem)).toEqual([
    "is a view: its rows are those of other tables",
    "is a partition of public.whole",
    "has no primary key, and no unique index on columns without null",
    "is unlogged",
  ]);
  expect(refused.every(({ obstacles }) => obstacles.every(({ remedy }) => remedy !== ""))).toBe(true);
});

test("a table is found by its name, with or without its schema and quotes", () => {
  const weird = table("trade", "Order Details", ["id"]);
  const relations = [orders, lines, weird];
  expect(
    ["orders", "public.orders", 'trade."Order Details"', "trade.Order Details", "Order Details"].map((name) =>
      findRelation(relations, name),
    ),
  ).toEqual([orders, orders, weird, weird, weird]);
  expect(() => findRelation(relations, "order")).toThrow("did you mean public.orders or public.order_lines");
  expect(() => selectRelations(relations, { tables: [], schemas: [], all: false })).toThrow("--all");
  expect(selectRelations(relations, { tables: [], schemas: ["trade"], all: false })).toEqual([weird]);
});
