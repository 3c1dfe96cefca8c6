/** JSON, XML, text search, shapes, ranges, composites and arrays. */
import type { Random } from "../../../chaos/random.ts";
import { scalars } from "./scalars.ts";
import {
  anyArray,
  anyDate,
  anyFloat,
  anyNumber,
  anyRange,
  anyText,
  anyTime,
  quoted,
  type ValueType,
  word,
} from "./value-type.ts";

/** JSON text with exact numbers, spaces and repeated keys, as a foreign client may have written it. */
function anyJson(random: Random, depth = 3): string {
  const space = () => random.pick(["", "", " ", "\n"]);
  // PostgreSQL's jsonb cannot hold the character 0, so no text has it.
  const text = () => JSON.stringify(anyText(random, 12));
  const kind = random.int(0, depth > 0 ? 7 : 4);
  switch (kind) {
    case 0:
      return random.pick(["null", "true", "false"]);
    case 1:
    case 2:
      return random.pick([
        `${random.int(-1e6, 1e6)}`,
        `${random.int(1, 9)}.${random.int(0, 9)}0`,
        `9007199254740993`,
        `1${"0".repeat(random.int(0, 40))}.5`,
        "1e2",
        "-0",
        "0.1",
      ]);
    case 3:
    case 4:
      return text();
    case 5:
      return `[${space()}${Array.from({ length: random.int(0, 4) }, () => anyJson(random, depth - 1)).join(`,${space()}`)}]`;
    default:
      return `{${space()}${Array.from(
        { length: random.int(0, 4) },
        () => `${random.chance(0.2) ? '"same"' : text()}${space()}:${space()}${anyJson(random, depth - 1)}`,
      ).join(`,${space()}`)}}`;
  }
}

const JSON_EDGES = [
  ...["{}", "[]", '""', "0", "-0", "1.0", "1e400", "true", '"null"', '{"": ""}', '{"a": 1, "a": 2, "b": null}'],
  ...["[ 1 ,  2.50,\n9007199254740993 ]", `{"n": ${"9".repeat(400)}.${"9".repeat(100)}}`, '"\\u00e9\\ud83d\\ude00"'],
  ...['{"__proto__": 1, "constructor": {"prototype": 2}}', '{"rawJSON": "1"}', '"\\"\\\\"', "[0.1, 1E-7, 1e+21]"],
  `${"[".repeat(500)}1${"]".repeat(500)}`,
  `${'{"a":'.repeat(200)}null${"}".repeat(200)}`,
];

const documents: readonly ValueType[] = [
  { name: "json", type: "json", form: "text", edges: ["null", " 1 ", ...JSON_EDGES], random: anyJson },
  { name: "jsonb", type: "jsonb", form: "jsonb", edges: ["null", ...JSON_EDGES], random: anyJson },
  {
    name: "jsonpath",
    type: "jsonpath",
    form: "text",
    edges: ["$", "strict $.a[*]"],
    random: (random) => `$."${word(random)}" ? (@ > ${random.int(0, 9)})`,
  },
  {
    name: "xml",
    type: "xml",
    form: "text",
    edges: [
      "<a/>",
      "text only",
      "<a b='\"'>é😀 &amp; &lt;</a>",
      "<a/><b/>",
      "<!-- c --><a> </a>",
      "<a><![CDATA[<x>]]></a>",
    ],
    random: (random) => `<row a="${word(random)}"><b>${word(random)}</b>${word(random)}</row>`,
  },
  {
    name: "tsvector",
    type: "tsvector",
    form: "text",
    edges: ["", "a:1A,2B b", "'it''s':3 'a b':4D", "'\\\\'"],
    random: (random) =>
      Array.from(
        { length: random.int(0, 5) },
        () => `${word(random)}:${random.int(1, 999)}${random.pick(["A", "B", ""])}`,
      ).join(" "),
  },
  {
    name: "tsquery",
    type: "tsquery",
    form: "text",
    edges: ["", "a & !b", "'a b' <2> c:*A"],
    random: (random) => `${word(random)} | ${word(random)}`,
  },
  {
    name: "hstore",
    type: "hstore",
    setup: "create extension if not exists hstore",
    form: "text",
    edges: ["", '""=>""', 'a=>NULL, b=>"NULL"', '"a b"=>"\\"\\\\"'],
    random: (random) => `${quoted(anyText(random, 8))}=>${random.chance(0.2) ? "NULL" : quoted(anyText(random, 8))}`,
  },
  {
    name: "ltree",
    type: "ltree",
    setup: "create extension if not exists ltree",
    form: "text",
    edges: ["", "a", "a.b.c_1-2"],
    random: (random) => Array.from({ length: random.int(1, 6) }, () => word(random)).join("."),
  },
];

const coordinate = (random: Random): string =>
  random.chance(0.03) ? random.pick(["-0", "1e-300"]) : anyNumber(random, 4, 8);
const point = (random: Random): string => `(${coordinate(random)},${coordinate(random)})`;
const points = (random: Random): string => Array.from({ length: random.int(1, 5) }, () => point(random)).join(",");
const shapes: readonly ValueType[] = [
  { name: "point", type: "point", form: "text", edges: ["(0,-0)", "(NaN,Infinity)", "(1e300,-1e-300)"], random: point },
  {
    name: "line",
    type: "line",
    form: "text",
    edges: ["{1,0,0}", "{0,-1,5}"],
    random: (random) => `{${coordinate(random)},1,${coordinate(random)}}`,
  },
  {
    name: "lseg",
    type: "lseg",
    form: "text",
    edges: ["[(0,0),(0,0)]"],
    random: (random) => `[${point(random)},${point(random)}]`,
  },
  {
    name: "box",
    type: "box",
    form: "text",
    edges: ["(1,1),(0,0)"],
    random: (random) => `${point(random)},${point(random)}`,
  },
  {
    name: "path",
    type: "path",
    form: "text",
    edges: ["[(0,0)]", "((0,0),(1,1))"],
    random: (random) => (random.chance(0.5) ? `[${points(random)}]` : `(${points(random)})`),
  },
  { name: "polygon", type: "polygon", form: "text", edges: ["((0,0))"], random: (random) => `(${points(random)})` },
  {
    name: "circle",
    type: "circle",
    form: "text",
    edges: ["<(0,0),0>"],
    random: (random) => `<${point(random)},${random.int(0, 99)}>`,
  },
];

const numberRange = (random: Random) =>
  anyRange(random, (draw, isUpper) => String(isUpper ? draw.int(1_000, 9_000) : draw.int(-9_000, 1_000)));
const timeRange = (random: Random) =>
  anyRange(random, (draw, isUpper) => `${isUpper ? 2_500 : 1_999}-0${draw.int(1, 9)}-11 ${anyTime(draw)}`);
const dateRange = (random: Random) =>
  anyRange(random, (draw, isUpper) => (isUpper ? "2999-01-01" : anyDate(draw).replace(/^\d+/, "1999")));
const multirange = (random: Random, one: (random: Random) => string) =>
  `{${Array.from({ length: random.int(0, 4) }, () => one(random)).join(",")}}`;

const RANGE_EDGES = ["empty", "(,)"];
const ranges: readonly ValueType[] = [
  {
    name: "int4range",
    type: "int4range",
    form: "text",
    edges: [...RANGE_EDGES, "[1,1]", "(1,2147483647)", "[1,1)"],
    random: numberRange,
  },
  {
    name: "int8range",
    type: "int8range",
    form: "text",
    edges: [...RANGE_EDGES, "[9007199254740993,)"],
    random: numberRange,
  },
  {
    name: "numrange",
    type: "numrange",
    form: "text",
    edges: [...RANGE_EDGES, "[1.0,1.10]", "[-Infinity,NaN]"],
    random: numberRange,
  },
  {
    name: "tsrange",
    type: "tsrange",
    form: "text",
    edges: [...RANGE_EDGES, "[infinity,infinity]", '("2026-01-01 00:00:00.000001",)'],
    random: timeRange,
  },
  {
    name: "tstzrange",
    type: "tstzrange",
    form: "text",
    edges: [...RANGE_EDGES, '["0044-03-15 12:00+00 BC",infinity)'],
    random: timeRange,
  },
  {
    name: "daterange",
    type: "daterange",
    form: "text",
    edges: [...RANGE_EDGES, "[2024-02-29,2024-02-29]", "[-infinity,infinity]"],
    random: dateRange,
  },
  {
    name: "own_range",
    type: "value_text_range",
    setup: "create type value_text_range as range (subtype = text)",
    form: "text",
    edges: [...RANGE_EDGES, '["a,b","c\\"d"]', '["","z")'],
    random: (random) => anyRange(random, (draw, isUpper) => (isUpper ? "😀" : "") + word(draw)),
  },
  {
    name: "int4multirange",
    type: "int4multirange",
    form: "text",
    edges: ["{}", "{(,)}", "{[1,2),[5,7)}"],
    random: (random) => multirange(random, numberRange),
  },
  {
    name: "nummultirange",
    type: "nummultirange",
    form: "text",
    edges: ["{}", "{[1.0,1.10]}"],
    random: (random) => multirange(random, numberRange),
  },
  {
    name: "tstzmultirange",
    type: "tstzmultirange",
    form: "text",
    edges: ["{}"],
    random: (random) => multirange(random, timeRange),
  },
];

const composite = (random: Random): string =>
  `(${[
    random.chance(0.2) ? "" : quoted(anyText(random, 10)),
    random.chance(0.2) ? "" : String(random.int(-9, 9)),
    random.chance(0.2) ? "" : anyFloat(random, 20),
    random.chance(0.2) ? "" : quoted(anyArray(random, (draw) => word(draw))),
  ].join(",")})`;
const composites: readonly ValueType[] = [
  {
    name: "composite",
    type: "value_item",
    setup: "create type value_item as (name text, n integer, f float8, tags text[])",
    form: "text",
    edges: ["(,,,)", '("",0,-0,{})', '("a""b\\\\",1,NaN,"{NULL,""""}")'],
    random: composite,
  },
  {
    name: "composite_array",
    type: "value_pair[]",
    setup: "create type value_pair as (a text, b json)",
    form: "text",
    isArray: true,
    edges: ["{}", '{"(,)",NULL}'],
    random: (random) => anyArray(random, (draw) => `(${quoted(anyText(draw, 6))},"{""x"":   ${draw.int(0, 9)}}")`),
  },
];

const ARRAY_EDGES = ["{}", "{NULL}", "{NULL,NULL}"];
/** An array type for elements of another one. */
function arrayOf(name: string, extra: readonly string[] = []): ValueType {
  const element = [...scalars, ...documents, ...ranges].find((one) => one.name === name);
  if (!element) throw new RangeError(`there is no type ${name}`);
  const edges = element.edges.filter((edge) => edge.length < 2_000);
  return {
    name: `${name}_array`,
    type: `${element.type}[]`,
    ...(element.setup && { setup: element.setup }),
    form: element.form,
    isArray: true,
    edges: [
      ...ARRAY_EDGES,
      `{${edges.map(quoted).join(",")}}`,
      `[0:0]={${quoted(edges[0]!)}}`,
      `[5:6]={NULL,${quoted(edges.at(-1)!)}}`,
      `{{${quoted(edges[0]!)},NULL},{NULL,${quoted(edges.at(-1)!)}}}`,
      ...extra,
    ],
    random: (random) => anyArray(random, (draw) => element.random(draw)),
  };
}

const arrays: readonly ValueType[] = [
  arrayOf("text", ['{"",NULL,"NULL",null,"{}","a,b"}', "[-1:0][2:3]={{a,b},{c,d}}"]),
  arrayOf("varchar_10"),
  arrayOf("uuid"),
  arrayOf("int2"),
  arrayOf("int4"),
  arrayOf("int8"),
  arrayOf("numeric"),
  arrayOf("float4"),
  arrayOf("float8"),
  arrayOf("boolean"),
  arrayOf("date"),
  arrayOf("timestamptz"),
  arrayOf("timestamptz_3"),
  arrayOf("interval"),
  arrayOf("bytea"),
  arrayOf("json"),
  arrayOf("jsonb"),
  arrayOf("inet"),
  arrayOf("enum"),
  arrayOf("domain_text"),
  arrayOf("int4range"),
];

export const structures: readonly ValueType[] = [...documents, ...shapes, ...ranges, ...composites, ...arrays];
