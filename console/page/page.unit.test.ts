/** The pure parts of the page, tested as the browser gets them. */
import { describe, expect, test } from "bun:test";
import { conditionNames, conditions } from "../../contracts/conditions.ts";
import { activeCondition } from "../../operations/conditions/active-condition.ts";
import { project } from "../../tests/project/index.ts";
import { describeEntities } from "../server/declarations.ts";
import { assets } from "../server/http/assets.ts";
import { activityKinds } from "../server/live/activity.ts";
import { hopKinds } from "../server/trace/hops.ts";

// Imported by a name that is not known before run time: `tsc -p console/page` checks these files, and not this project.
// biome-ignore lint/suspicious/noExplicitAny: see above.
const file = (name: string): Promise<any> => import(`${import.meta.dir}/js/${name}`);
const { texts } = await file("texts.js");
const { layoutTopology } = await file("topology-layout.js");
const { controlKind, toText, parseText } = await file("fields.js");
const { applyEvent, emptyState } = await file("state.js");
const { overallState, remedyText } = await file("overall-state.js");
const { chooseLanguage } = await file("language.js");

const scripts = Object.entries(assets).filter(([path]) => path.endsWith(".js"));
const source = scripts.filter(([path]) => path !== "/js/texts.js").map(([, text]) => text);
const html = assets["/index.html"]!;

describe("texts", () => {
  test("each text exists in both languages, with the same placeholders", () => {
    const placeholders = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([found]) => found).sort();
    for (const [key, text] of Object.entries<Record<string, string>>(texts)) {
      expect(Object.keys(text), key).toEqual(["en", "pt"]);
      expect(text.en, key).not.toBe("");
      expect(placeholders(text.pt!), key).toEqual(placeholders(text.en!));
    }
  });

  test("every key that the page names exists", () => {
    const keys = [
      ...[...html.matchAll(/data-t(?:-label)?="([^"]+)"/g)].map(([, key]) => key!),
      ...source.flatMap((text) => [...text.matchAll(/\bt\("([^"]+)"/g)].map(([, key]) => key!)),
    ];
    expect(keys.length).toBeGreaterThan(80);
    expect(keys.filter((key) => !(key in texts))).toEqual([]);
  });

  test("every kind of activity, action, hop and level has a text", () => {
    for (const kind of activityKinds) if (kind !== "action") expect(texts).toHaveProperty([`activity.${kind}`]);
    for (const kind of hopKinds) expect(texts).toHaveProperty([`hop.${kind}`]);
    for (const level of ["ok", "warning", "error"]) expect(texts).toHaveProperty([`level.${level}`]);
    const actions = [
      "pause",
      "resume",
      "redis-pause",
      "redis-clear",
      "kill",
      "tamper",
      "replay",
      "drop",
      "verify",
      "repair",
      "rebuild",
    ];
    for (const action of actions) expect(texts).toHaveProperty([`action.${action}`]);
  });

  test.each([
    [["pt-BR", "en"], "pt"],
    [["de", "pt"], "pt"],
    [["EN-us"], "en"],
    [["de"], "en"],
    [[null, undefined], "en"],
  ])("the preference %p selects %s", (preferred, language) => expect(chooseLanguage(preferred)).toBe(language));
});

describe("files", () => {
  test("every file that the page requests is served, and no other", () => {
    const imported = scripts.flatMap(([, text]) =>
      [...text.matchAll(/from "\.\/([^"]+)"/g)].map(([, name]) => `/js/${name}`),
    );
    const linked = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path!);
    for (const path of [...imported, ...linked]) expect(Object.keys(assets)).toContain(path);
    expect(new Set([...imported, ...linked, "/index.html"])).toEqual(new Set(Object.keys(assets)));
  });

  test("the page requests nothing from other hosts, and names no field or replica", () => {
    for (const [path, text] of Object.entries(assets))
      expect(text.replaceAll("http://www.w3.org/2000/svg", ""), path).not.toMatch(/https?:\/\//);
    const names = describeEntities(project).flatMap(({ name, fields, replicas }) => [
      name,
      // Words that also have another meaning in the code.
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
  ])("%i replicas, narrow: %p: all nodes are inside the drawing, and none overlap", (count, narrow) => {
    const { width, height, nodes, edges } = layoutTopology(entity(count), narrow) as {
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
    [{ type: "string", enum: ["a", "b"] }, "select", "a", "a"],
    [{ type: "boolean" }, "boolean", "true", true],
    [{ type: "integer" }, "integer", "12", 12],
    [{ type: "integer" }, "integer", "many", "many"],
    [{ type: "integer" }, "integer", "", undefined],
    [{ type: "number" }, "number", "1.5", 1.5],
    [{ type: "array", items: { type: "string" } }, "list", "a, b,,", ["a", "b"]],
    [{ type: "string", maxLength: 10_000 }, "textarea", "", ""],
    [{ type: "string", maxLength: 64 }, "text", " x ", " x "],
    [{ type: "object" }, "json", '{"a":1}', { a: 1 }],
    [{ type: "object" }, "json", "{", "{"],
  ])("%j gets a control of kind %s: %j", (schema, kind, text, value) => {
    expect(controlKind(field(schema))).toBe(kind);
    expect(parseText(field(schema), text)).toEqual(value);
  });

  test("a document that is shown and sent back is unchanged", () => {
    for (const { fields, example } of describeEntities(project))
      for (const one of fields) {
        const value = example?.[one.name] ?? one.initial;
        if (value !== null) expect(parseText(one, toText(one, value))).toEqual(value);
      }
  });
});

describe("state", () => {
  test("is bounded, however long the page is open", () => {
    const state = emptyState();
    applyEvent(state, "hello", { snapshot: null, history: [], writes: [], activity: [], jobs: [] });
    const hop = { kind: "acknowledged", replica: null, atMs: 0, tookMs: 1, note: null, record: null };
    for (let i = 1; i <= 1_000; i++) {
      applyEvent(state, "snapshot", { lastSecond: { count: i, p50: 1, p99: 2 } });
      applyEvent(state, "hops", { write: { number: i }, hops: [hop] });
      applyEvent(state, "activity", { kind: "action" });
      applyEvent(state, "job", { number: i });
    }
    expect(state.history).toHaveLength(120);
    expect(state.writes).toHaveLength(20);
    expect(state.activity).toHaveLength(50);
    expect(state.jobs).toHaveLength(10);
  });

  test("hops of one write are collected, whenever they arrive", () => {
    const state = emptyState();
    applyEvent(state, "hops", { write: { number: 1, traceId: null }, hops: [{ kind: "acknowledged" }] });
    applyEvent(state, "hops", { write: { number: 1, traceId: "t" }, hops: [{ kind: "published" }] });
    expect(state.writes).toEqual([
      { number: 1, traceId: "t", hops: [{ kind: "acknowledged" }, { kind: "published" }] },
    ]);
  });
});

test("every condition has its title and its remedy, and the English remedy is the one of the closed list", () => {
  for (const name of conditionNames) {
    expect(texts).toHaveProperty([`condition.${name}`]);
    expect(texts[`condition.${name}`].en).toContain("{name}");
    expect(texts[`remedy.${name}`].en).toBe(conditions[name].remedy);
  }
  const listed = Object.keys(texts).flatMap((key) => /^(?:condition|remedy)\.(.+)$/.exec(key)?.[1] ?? []);
  expect(listed.filter((name) => !(name in conditions))).toEqual([]);
});

test("the page shows the remedy that names the place, if a condition has one", () => {
  expect(remedyText(activeCondition("paused", "stream", "x"))).toBe(conditions.paused.remedy);
  expect(remedyText(activeCondition("paused", "stream", "x", null, "run lockstep resume stream"))).toBe(
    "run lockstep resume stream",
  );
  expect(remedyText({ condition: "newer", remedy: "update" })).toBe("update");
});

test("the page is in step only while it is known that no condition is present", () => {
  const active = activeCondition("paused", "stream", "paused since noon");
  const known = { services: [], outbox: { depth: 0 }, consumers: [] };
  expect(overallState(true, { ...known, conditions: [] })).toMatchObject({ level: "ok", text: "In step" });
  expect(overallState(true, { ...known, conditions: null }).level).toBe("warning");
  expect(overallState(true, { ...known, conditions: [], consumers: null }).level).toBe("warning");
  expect(overallState(true, null).level).toBeNull();
  expect(overallState(false, { conditions: [] }).level).toBe("error");
  expect(overallState(true, { conditions: [active] })).toEqual({ level: "warning", text: "Warning: stream is paused" });
  const page = activeCondition("log-unavailable", "brokers", "no response");
  expect(overallState(true, { conditions: [page, active] }).level).toBe("error");
  // A console that is newer than the page.
  const unknown = { ...active, condition: "newer" };
  expect(overallState(true, { conditions: [unknown] }).text).toBe("Warning: newer: stream");
});
