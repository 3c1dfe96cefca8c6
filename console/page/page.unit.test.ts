/** The pure parts of the page, as the browser gets them. */
import { describe, expect, test } from "bun:test";
import { declaredEntities } from "../server/declarations.ts";
import { assets } from "../server/http/assets.ts";
import { activityKinds } from "../server/live/activity.ts";

// The page's files are no TypeScript: named at run time, so that nobody takes their types for checked ones.
// biome-ignore lint/suspicious/noExplicitAny: see above.
const file = (name: string): Promise<any> => import(`${import.meta.dir}/js/${name}`);
const { texts } = await file("texts.js");
const { layout } = await file("topology-layout.js");
const { kindOf, textOf, writtenIn } = await file("fields.js");
const { emptyState, take } = await file("state.js");
const { troubles } = await file("health.js");
const { chooseLanguage } = await file("language.js");

const scripts = Object.entries(assets).filter(([path]) => path.endsWith(".js"));
const source = scripts.filter(([path]) => path !== "/js/texts.js").map(([, text]) => text);
const html = assets["/index.html"]!;

describe("texts", () => {
  test("each is there in both languages, with the same places to fill", () => {
    const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
    for (const [key, text] of Object.entries<Record<string, string>>(texts)) {
      expect(Object.keys(text), key).toEqual(["en", "pt"]);
      expect(text.en, key).not.toBe("");
      expect(places(text.pt!), key).toEqual(places(text.en!));
    }
  });

  test("every key that the page names is there", () => {
    const named = [
      ...[...html.matchAll(/data-t(?:-label)?="([^"]+)"/g)].map(([, key]) => key!),
      ...source.flatMap((text) => [...text.matchAll(/\bt\("([^"]+)"/g)].map(([, key]) => key!)),
    ];
    expect(named.length).toBeGreaterThan(80);
    expect(named.filter((key) => !(key in texts))).toEqual([]);
  });

  test("what happens, and what people do, has a sentence", () => {
    for (const kind of activityKinds) if (kind !== "did") expect(texts).toHaveProperty([`happened.${kind}`]);
    const acts = [
      "pause",
      "resume",
      "redis-silence",
      "redis-forget",
      "kill",
      "tamper",
      "replay",
      "drop",
      "verify",
      "repair",
      "rebuild",
    ];
    for (const act of acts) expect(texts).toHaveProperty([`did.${act}`]);
  });

  test.each([
    [["pt-BR", "en"], "pt"],
    [["de", "pt"], "pt"],
    [["EN-us"], "en"],
    [["de"], "en"],
    [[null, undefined], "en"],
  ])("whoever asks for %p gets %s", (wished, language) => expect(chooseLanguage(wished)).toBe(language));
});

describe("files", () => {
  test("every file that one asks for is served", () => {
    const imported = scripts.flatMap(([, text]) =>
      [...text.matchAll(/from "\.\/([^"]+)"/g)].map(([, name]) => `/js/${name}`),
    );
    const linked = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path!);
    for (const path of [...imported, ...linked]) expect(Object.keys(assets)).toContain(path);
    expect(new Set([...imported, ...linked, "/index.html"])).toEqual(new Set(Object.keys(assets)));
  });

  test("nothing is asked of another host, and no field or replica is named by hand", () => {
    for (const [path, text] of Object.entries(assets))
      expect(text.replaceAll("http://www.w3.org/2000/svg", ""), path).not.toMatch(/https?:\/\//);
    const names = declaredEntities().flatMap(({ name, fields, replicas }) => [
      name,
      // Words that mean something else here as well.
      ...fields
        .map((field) => field.name)
        .filter((word) => !["name", "status", "description", "price", "cost", "stock"].includes(word)),
      ...replicas.map((replica) => replica.name),
    ]);
    for (const text of source) for (const name of names) expect(text).not.toMatch(new RegExp(`\\b${name}\\b`));
  });
});

describe("layout", () => {
  const entity = (count: number) => ({
    eventsTopic: "things.events",
    deadLetterTopic: "things.dead-letter",
    replicas: Array.from({ length: count }, (_, i) => ({ name: `r${i}`, topic: `things.to.r${i}` })),
  });
  const overlap = (a: Box, b: Box) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
  type Box = { x: number; y: number; w: number; h: number };

  test.each([
    [1, false],
    [2, false],
    [5, false],
    [1, true],
    [2, true],
    [5, true],
  ])("%i replicas, narrow: %p: everything is inside, and nothing lies on another", (count, narrow) => {
    const { width, height, nodes, edges } = layout(entity(count), narrow) as {
      width: number;
      height: number;
      nodes: Box[];
      edges: { path: string }[];
    };
    expect(nodes).toHaveLength(6 + 4 * count);
    expect(edges).toHaveLength(5 + 4 * count);
    for (const node of nodes) {
      expect(node.x).toBeGreaterThanOrEqual(0);
      expect(node.x + node.w).toBeLessThanOrEqual(width);
      expect(node.y).toBeGreaterThanOrEqual(0);
      expect(node.y + node.h).toBeLessThanOrEqual(height);
    }
    for (const [i, a] of nodes.entries()) for (const b of nodes.slice(i + 1)) expect(overlap(a, b)).toBe(false);
    for (const { path } of edges) expect(path).not.toContain("NaN");
  });
});

describe("fields", () => {
  const field = (schema: object) => ({
    name: "f",
    schema,
    required: true,
    initial: null,
    private: false,
    unique: false,
  });

  test.each([
    [{ type: "string", enum: ["a", "b"] }, "choice", "a", "a"],
    [{ type: "boolean" }, "yes-no", "true", true],
    [{ type: "integer" }, "whole", "12", 12],
    [{ type: "integer" }, "whole", "many", "many"],
    [{ type: "integer" }, "whole", "", undefined],
    [{ type: "number" }, "number", "1.5", 1.5],
    [{ type: "array", items: { type: "string" } }, "list", "a, b,,", ["a", "b"]],
    [{ type: "string", maxLength: 10_000 }, "long", "", ""],
    [{ type: "string", maxLength: 64 }, "line", " x ", " x "],
    [{ type: "object" }, "json", '{"a":1}', { a: 1 }],
    [{ type: "object" }, "json", "{", "{"],
  ])("%j is written as %s: %j", (schema, kind, text, value) => {
    expect(kindOf(field(schema))).toBe(kind);
    expect(writtenIn(field(schema), text)).toEqual(value);
  });

  test("a document that is shown and sent back is the same one", () => {
    for (const { fields, example } of declaredEntities())
      for (const one of fields) {
        const value = example?.[one.name] ?? one.initial;
        if (value !== null) expect(writtenIn(one, textOf(one, value))).toEqual(value);
      }
  });
});

describe("state", () => {
  test("stays small however long the page is open", () => {
    const state = emptyState();
    take(state, "hello", { snapshot: null, history: [], writes: [], happenings: [], jobs: [] });
    const hop = { kind: "answered", replica: null, atMs: 0, tookMs: 1, note: null, place: null };
    for (let i = 1; i <= 1_000; i++) {
      take(state, "snapshot", { lastSecond: { count: i, p50: 1, p99: 2 } });
      take(state, "hops", { write: { number: i }, hops: [hop] });
      take(state, "happening", { kind: "did" });
      take(state, "job", { number: i });
    }
    expect(state.history).toHaveLength(120);
    expect(state.writes).toHaveLength(20);
    expect(state.happenings).toHaveLength(50);
    expect(state.jobs).toHaveLength(10);
  });

  test("hops of one write come together, whenever they come", () => {
    const state = emptyState();
    take(state, "hops", { write: { number: 1, traceId: null }, hops: [{ kind: "answered" }] });
    take(state, "hops", { write: { number: 1, traceId: "t" }, hops: [{ kind: "published" }] });
    expect(state.writes).toEqual([{ number: 1, traceId: "t", hops: [{ kind: "answered" }, { kind: "published" }] }]);
  });
});

test("what is wrong comes first, then what needs care, and nothing when all is well", () => {
  const well = {
    follows: [{ name: "a", lag: 0 }],
    outbox: { depth: 0, oldestAgeSeconds: 0 },
    services: [],
    paused: {},
    verifications: [],
    replicas: { a: { cache: "on" } },
  };
  expect(troubles(well)).toEqual([]);
  const unwell = {
    ...well,
    paused: { a: {} },
    follows: [{ name: "a", lag: 9_000 }],
    services: [{ name: "relay", health: "down" }],
    replicas: { a: { cache: "off" } },
  };
  expect(troubles(unwell).map(({ level, why }: { level: string; why: string }) => [level, why])).toEqual([
    ["bad", "why.down"],
    ["care", "why.paused"],
    ["care", "why.cache"],
  ]);
});
