import { expect, test } from "bun:test";
import { camelCase, constantName, isSecret, memberNames, singular, snakeCase, UniqueNames } from "./names.ts";

test("a table's name becomes a name for URLs, topics and code", () => {
  expect(["Order Details", "CustomerCustomerDemo", 'Weird "Name", 100% sure', "URLMap", "漢字"].map(snakeCase)).toEqual(
    ["order_details", "customer_customer_demo", "weird_name_100_sure", "url_map", ""],
  );
  expect(camelCase("Zürich ß")).toBe("zurich");
});

test("the singular of common plurals, and of words that are none", () => {
  const words = [
    "films",
    "categories",
    "addresses",
    "order_details",
    "status",
    "boxes",
    "people",
    "film",
    "bus",
    "news",
  ];
  expect(words.map(singular)).toEqual([
    "film",
    "category",
    "address",
    "order_detail",
    "status",
    "box",
    "person",
    "film",
    "bus",
    "news",
  ]);
});

test("names are given out once, whatever their case", () => {
  const names = new UniqueNames(["Orders"]);
  expect([names.take("orders", "trade_orders"), names.take("orders", "trade_orders"), names.take("x")]).toEqual([
    "trade_orders",
    "trade_orders_2",
    "x",
  ]);
});

test("a constant is no word of TypeScript and no import", () => {
  const taken = new UniqueNames();
  expect(["class", "text", "orders", "orders", "2fa"].map((name) => constantName(name, taken))).toEqual([
    "classRows",
    "textRows",
    "orders",
    "ordersRows",
    "t2fa",
  ]);
});

test("each column has a member of its own", () => {
  expect([...memberNames(["created_at", "createdAt", "漢字", "$1", "a,b%c"]).values()]).toEqual([
    "createdAt",
    "createdAt_2",
    "column3",
    "_1",
    "aBC",
  ]);
});

test("secrets are found by their names", () => {
  const columns = [
    "password",
    "passwordHash",
    "secret_hash",
    "api_key",
    "reset_token",
    "pin",
    "opinion",
    "tokenize",
    "key",
  ];
  expect(columns.filter(isSecret)).toEqual(columns.slice(0, 6));
});
