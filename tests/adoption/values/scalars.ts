/** Texts, numbers, times and other single values. */
import type { Random } from "../../../chaos/random.ts";
import {
  anyDate,
  anyFloat,
  anyNumber,
  anyText,
  anyTime,
  anyZone,
  digits,
  maybeBc,
  type ValueType,
  word,
} from "./value-type.ts";

const TEXT_EDGES = [
  "",
  " ",
  "null",
  "NULL",
  "true",
  "0",
  "'",
  '"',
  "\\",
  "\\\\",
  "\\u0041",
  "{}",
  '{"a": 1}',
  "😀",
  "\u{10ffff}",
  "e\u0301",
  "\u00e9",
  "\ufeff",
  "\u2028\u2029",
  "\u0001\u001f\u007f\u0085",
  "\r\n\t\b\f",
  "$1 $$ $tag$",
  "a,b%2Cc%00",
  "x".repeat(10_000),
];
const short = (texts: readonly string[], max: number) => texts.filter((text) => [...text].length <= max);
const shortText = (random: Random, max: number) => [...anyText(random, max)].slice(0, max).join("");

const texts: readonly ValueType[] = [
  { name: "text", type: "text", form: "text", edges: TEXT_EDGES, random: (random) => anyText(random, 60) },
  { name: "varchar", type: "character varying", form: "text", edges: TEXT_EDGES, random: (random) => anyText(random) },
  {
    name: "varchar_10",
    type: "character varying(10)",
    form: "text",
    edges: [...short(TEXT_EDGES, 10), "0123456789", "😀".repeat(10), "a         "],
    random: (random) => shortText(random, 10),
  },
  {
    name: "char_5",
    type: "character(5)",
    form: "text",
    edges: [...short(TEXT_EDGES, 5), "a", "a ", "     ", "ab\n", "😀😀😀😀😀"],
    random: (random) => shortText(random, 5),
  },
  { name: "one_char", type: '"char"', form: "text", edges: ["", "a", "\\", "'"], random: (random) => word(random, 1) },
  {
    name: "name",
    type: "name",
    form: "text",
    edges: ["", 'Quoted "Name"', "x".repeat(63)],
    random: (random) => shortText(random, 12),
  },
  {
    name: "citext",
    type: "citext",
    setup: "create extension if not exists citext",
    form: "text",
    edges: [...TEXT_EDGES, "ABC", "abc", "İ", "ẞ"],
    random: (random) => anyText(random),
  },
];

const uuid = (random: Random): string =>
  [8, 4, 4, 4, 12].map((length) => Array.from({ length }, () => random.int(0, 15).toString(16)).join("")).join("-");

const numbers: readonly ValueType[] = [
  {
    name: "int2",
    type: "smallint",
    form: "number",
    edges: ["0", "-1", "32767", "-32768"],
    random: (random) => String(random.int(-32_768, 32_767)),
  },
  {
    name: "int4",
    type: "integer",
    form: "number",
    edges: ["0", "-1", "2147483647", "-2147483648"],
    random: (random) => String(random.int(-2_147_483_648, 2_147_483_647)),
  },
  {
    name: "int8",
    type: "bigint",
    form: "int8",
    edges: [
      ...["0", "-1", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740991"],
      ...["-9007199254740992", "-9007199254740993", "9223372036854775807", "-9223372036854775808"],
    ],
    random: (random) => BigInt(anyNumber(random, 18, 0)).toString(),
  },
  {
    name: "oid",
    type: "oid",
    form: "text",
    edges: ["0", "4294967295"],
    random: (random) => String(random.int(0, 2 ** 32 - 1)),
  },
  {
    name: "numeric",
    type: "numeric",
    form: "text",
    edges: [
      ...["0", "-0", "0.0", "0.000", "1", "1.0", "1.10", "100", "1e5", "NaN", "Infinity", "-Infinity", "-0.00"],
      ...["9007199254740993", "0.1", "0.30000000000000004", `1${"0".repeat(1_000)}`, `0.${"0".repeat(999)}1`],
      ...[`-${"9".repeat(1_000)}.${"9".repeat(1_000)}`, "1e-16383", `1e131071`],
    ],
    random: (random) => anyNumber(random, random.chance(0.02) ? 1_000 : 25, 25),
  },
  {
    name: "numeric_12_2",
    type: "numeric(12,2)",
    form: "text",
    edges: ["0", "-0.01", "9999999999.99", "-9999999999.99", "1.1", "NaN", "0.10"],
    random: (random) => anyNumber(random, 10, 2),
  },
  {
    name: "numeric_38_18",
    type: "numeric(38,18)",
    form: "text",
    edges: ["0", `${"9".repeat(20)}.${"9".repeat(18)}`, "0.000000000000000001"],
    random: (random) => anyNumber(random, 20, 18),
  },
  {
    name: "numeric_negative_scale",
    type: "numeric(3,-2)",
    form: "text",
    edges: ["0", "12345", "99900", "-99900"],
    random: (random) => String(random.int(-99_900, 99_900)),
  },
  {
    name: "numeric_scale_only",
    type: "numeric(2,5)",
    form: "text",
    edges: ["0", "0.00099", "-0.00001"],
    random: (random) => `0.000${digits(random, 2)}`,
  },
  {
    name: "float4",
    type: "real",
    form: "float",
    edges: [
      "0",
      "-0",
      "NaN",
      "Infinity",
      "-Infinity",
      "1e-45",
      "3.4028235e38",
      "1.1754944e-38",
      "16777217",
      "0.1",
      "1e22",
    ],
    random: (random) => anyFloat(random, 37),
  },
  {
    name: "float8",
    type: "double precision",
    form: "float",
    edges: [
      ...["0", "-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308", "2.2250738585072014e-308"],
      ...["0.1", "0.30000000000000004", "9007199254740993", "1e21", "1e22", "1e23", "123456789012345680", "-1e-7"],
    ],
    random: (random) => anyFloat(random, 300),
  },
  {
    name: "money",
    type: "money",
    form: "text",
    edges: ["0", "-0.01", "92233720368547758.07", "-92233720368547758.08", "$1,234.50"],
    random: (random) => anyNumber(random, 12, 2),
  },
];

const times: readonly ValueType[] = [
  {
    name: "date",
    type: "date",
    form: "text",
    edges: [
      "infinity",
      "-infinity",
      "4713-01-01 BC",
      "0001-01-01",
      "0001-12-31 BC",
      "5874897-12-31",
      "2024-02-29",
      "9999-12-31",
    ],
    random: (random) => anyDate(random) + maybeBc(random).replace(" BC", ""),
  },
  {
    name: "time",
    type: "time without time zone",
    form: "text",
    edges: ["00:00", "24:00", "23:59:59.999999", "00:00:00.000001", "12:30:00.100"],
    random: (random) => anyTime(random),
  },
  {
    name: "time_3",
    type: "time(3) without time zone",
    form: "text",
    edges: ["00:00", "23:59:59.9999", "00:00:00.001"],
    random: (random) => anyTime(random, 3),
  },
  {
    name: "timetz",
    type: "time with time zone",
    form: "text",
    edges: ["00:00+00", "24:00-15:59:59", "23:59:59.999999+15:59", "12:00:00.5+05:45"],
    random: (random) => anyTime(random) + anyZone(random),
  },
  {
    name: "timestamp",
    type: "timestamp without time zone",
    form: "iso",
    edges: [
      ...[
        "infinity",
        "-infinity",
        "4713-01-01 00:00:00 BC",
        "294276-12-31 23:59:59.999999",
        "0001-01-01",
        "2024-02-29 12:00",
      ],
      ...["2026-01-01 00:00:00.000001", "2026-01-01 00:00:00.1", "9999-12-31 23:59:59.999999", "0044-03-15 BC"],
    ],
    random: (random) => `${anyDate(random)} ${anyTime(random)}${maybeBc(random).replace(" BC", "")}`,
  },
  {
    name: "timestamp_0",
    type: "timestamp(0) without time zone",
    form: "iso",
    edges: ["infinity", "2026-01-01 00:00:00.5", "1969-12-31 23:59:59"],
    random: (random) => `${anyDate(random)} ${anyTime(random)}`,
  },
  {
    name: "timestamptz",
    type: "timestamp with time zone",
    form: "iso",
    edges: [
      ...[
        "infinity",
        "-infinity",
        "4713-01-02 00:00:00+00 BC",
        "294276-12-31 23:59:59.999999+00",
        "0001-01-01 00:00:00+00",
      ],
      ...[
        "2026-01-01 00:00:00.000001+00",
        "2026-06-01 00:00:00.1+14",
        "1883-11-18 12:00:00-04:56:02",
        "0044-03-15 12:00+00 BC",
      ],
    ],
    random: (random) => `${anyDate(random)} ${anyTime(random)}${anyZone(random)}`,
  },
  {
    name: "timestamptz_3",
    type: "timestamp(3) with time zone",
    form: "milliseconds",
    edges: [
      "infinity",
      "-infinity",
      "2026-01-01 00:00:00+00",
      "2026-01-01 00:00:00.1+00",
      "2026-01-01 00:00:00.9999+00",
      "0044-03-15 12:00:00.5+00 BC",
    ],
    random: (random) => `${anyDate(random)} ${anyTime(random, 3)}${anyZone(random)}`,
  },
  {
    name: "interval",
    type: "interval",
    form: "text",
    edges: [
      ...["0", "infinity", "-infinity", "1 year -1 day", "-00:00:00.000001", "178000000 years", "-178000000 years"],
      ...["1 mon 30 days 24:00:00", "P1Y2M3DT4H5M6.789S", "@ 1 day ago"],
    ],
    random: (random) =>
      `${random.int(-99, 99)} years ${random.int(-20, 20)} mons ${random.int(-99, 99)} days ${random.pick(["", "-"])}${anyTime(random)}`,
  },
];

const bits = (random: Random, length: number): string => Array.from({ length }, () => random.int(0, 1)).join("");
const bytes = (random: Random, length: number): string =>
  `\\x${Array.from({ length }, () => random.int(0, 255).toString(16).padStart(2, "0")).join("")}`;
const byte = (random: Random): number => random.int(0, 255);
const ip = (random: Random): string =>
  random.chance(0.5)
    ? [byte(random), byte(random), byte(random), byte(random)].join(".")
    : Array.from({ length: 8 }, () => random.int(0, 65_535).toString(16)).join(":");
const mac = (random: Random, length: number): string =>
  Array.from({ length }, () => byte(random).toString(16).padStart(2, "0")).join(":");

const others: readonly ValueType[] = [
  {
    name: "boolean",
    type: "boolean",
    form: "boolean",
    edges: ["true", "false"],
    random: (random) => String(random.chance(0.5)),
  },
  {
    name: "uuid",
    type: "uuid",
    form: "text",
    edges: [
      "00000000-0000-0000-0000-000000000000",
      "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
      "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
    ],
    random: uuid,
  },
  {
    name: "bytea",
    type: "bytea",
    form: "text",
    edges: [
      ...["", "\\x", "\\x00", "\\x5c78", "\\xff", "\\\\", "abc", "\\000\\134"],
      `\\x${Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0")).join("")}`,
    ],
    random: (random) => bytes(random, random.int(0, 60)),
  },
  {
    name: "enum",
    type: "value_mood",
    setup: `create type value_mood as enum ('sad', 'so so', 'very, very "happy"', 'it''s', 'ünï😀', '')`,
    form: "text",
    edges: ["sad", "so so", 'very, very "happy"', "it's", "ünï😀", ""],
    random: (random) => random.pick(["sad", "so so", 'very, very "happy"', "it's", "ünï😀", ""]),
  },
  {
    name: "domain_text",
    type: "value_code",
    setup: "create domain value_code as varchar(20) check (value <> 'forbidden')",
    form: "text",
    edges: ["", "a", "0123456789 123456789"],
    random: (random) => word(random, 20),
  },
  {
    name: "domain_of_domain",
    type: "value_small_percent",
    setup:
      "create domain value_percent as numeric(5,2) check (value between 0 and 100); " +
      "create domain value_small_percent as value_percent check (value < 50)",
    form: "text",
    edges: ["0", "49.99", "0.10"],
    random: (random) => `${random.int(0, 49)}.${digits(random, 2)}`,
  },
  {
    name: "inet",
    type: "inet",
    form: "text",
    edges: [
      "0.0.0.0/0",
      "127.0.0.1",
      "10.1.2.3/8",
      "::",
      "::1/128",
      "::ffff:1.2.3.4",
      "2001:db8::1/64",
      "255.255.255.255",
    ],
    random: (random) => (random.chance(0.5) ? ip(random) : `${ip(random)}/${random.int(0, 32)}`),
  },
  {
    name: "cidr",
    type: "cidr",
    form: "text",
    edges: ["0.0.0.0/0", "10.0.0.0/8", "::/0", "2001:db8::/32"],
    random: (random) => `${byte(random)}.${byte(random)}.0.0/${random.int(16, 32)}`,
  },
  {
    name: "macaddr",
    type: "macaddr",
    form: "text",
    edges: ["00:00:00:00:00:00", "08-00-2b-01-02-03"],
    random: (random) => mac(random, 6),
  },
  {
    name: "macaddr8",
    type: "macaddr8",
    form: "text",
    edges: ["ff:ff:ff:ff:ff:ff:ff:ff"],
    random: (random) => mac(random, 8),
  },
  { name: "bit_8", type: "bit(8)", form: "text", edges: ["00000000", "11111111"], random: (random) => bits(random, 8) },
  {
    name: "varbit",
    type: "bit varying",
    form: "text",
    edges: ["", "0", "1", "0".repeat(100)],
    random: (random) => bits(random, random.int(0, 40)),
  },
  {
    name: "pg_lsn",
    type: "pg_lsn",
    form: "text",
    edges: ["0/0", "FFFFFFFF/FFFFFFFF"],
    random: (random) => `${random.int(0, 2 ** 32 - 1).toString(16)}/${random.int(0, 2 ** 32 - 1).toString(16)}`,
  },
];

export const scalars: readonly ValueType[] = [...texts, ...numbers, ...times, ...others];
