import { expect, test } from "bun:test";
import fc from "fast-check";
import { isKeyOf, isKeyText, type KeyedEntity, keyComponents, keyOf, keyText, readKey } from "./key.ts";

const storableText = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));

/** Declares an entity whose key has components of these types. */
function entity(...types: readonly string[]): KeyedEntity {
  const members = types.map((type, i) => [`k${i}`, { type }] as const);
  return { name: "sample", key: members.map(([member]) => member), fields: Object.fromEntries(members) };
}

const normalized = (type: string, text: string) => {
  const id = readKey(entity(type), keyText([text]));
  return id && keyComponents(id)![0];
};

test("any components come back from their text", () => {
  fc.assert(
    fc.property(fc.array(storableText, { minLength: 1, maxLength: 4 }), (components) => {
      const text = keyText(components);
      expect(isKeyText(text)).toBe(true);
      expect(keyComponents(text)).toEqual(components);
    }),
  );
});

test("different components have different texts", () => {
  const components = fc.array(fc.string({ unit: fc.constantFrom("%", ",", "0", "2", "5", "C", "a") }), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(components, components, (a, b) => {
      expect(keyText(a) === keyText(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});

test("separators, percent signs and the empty text are escaped; a UUID is its own text", () => {
  expect(keyText(["a,b", "50%", ""])).toBe("a%2Cb,50%25,%00");
  expect(keyText(["%00", "%2C"])).toBe("%2500,%252C");
  const id = "0197f3a0-0000-7000-8000-000000000001";
  expect(keyText([id])).toBe(id);
});

test("a text that no key has is not a key's text", () => {
  for (const text of ["", ",", "a,", ",a", "a%", "%0", "a%00", "%2c", "%41", "\0", "\ud800"]) {
    expect(isKeyText(text)).toBe(false);
    expect(keyComponents(text)).toBeUndefined();
  }
});

test("a read key is normalized to PostgreSQL's text", () => {
  expect(normalized("uuid", "0197F3A0-0000-7000-8000-00000000000A")).toBe("0197f3a0-0000-7000-8000-00000000000a");
  expect(normalized("integer", "0042")).toBe("42");
  expect(normalized("bigint", "-9223372036854775808")).toBe("-9223372036854775808");
  expect(normalized("numeric(12,2)", "-019.90")).toBe("-19.9");
  expect(normalized("numeric", "-0.00")).toBe("0");
  expect(normalized("numeric", "NaN")).toBe("NaN");
  expect(normalized("character(5)", "ab   ")).toBe("ab");
  expect(normalized("character varying(9)", "ab  ")).toBe("ab  ");
  expect(normalized("public.citext", "ABC")).toBe("abc");
  expect(normalized("boolean", "t")).toBe("true");
  expect(normalized("date", "0044-03-15 BC")).toBe("0044-03-15 BC");
  expect(normalized("time(3) without time zone", "10:00:00.500")).toBe("10:00:00.5");
  expect(normalized("timestamp(3) with time zone", "2026-01-02T03:04:05.600Z")).toBe("2026-01-02 03:04:05.6+00");
  expect(normalized("timestamp(3) with time zone", "2026-01-02T03:04:10.000Z")).toBe("2026-01-02 03:04:10+00");
  expect(normalized("timestamp without time zone", "2026-01-02T03:04:05")).toBe("2026-01-02 03:04:05");
  expect(normalized("timestamp with time zone", "infinity")).toBe("infinity");
  expect(normalized("bytea", "\\xAB00")).toBe("\\xab00");
  expect(normalized("inet", "10.0.0.1")).toBe("10.0.0.1/32");
  expect(normalized("inet", "::1")).toBe("::1/128");
  expect(normalized("public.mood", "very sad, 50 %")).toBe("very sad, 50 %");
  expect(normalized("text", "")).toBe("");
});

test("a text that the type cannot have is no id", () => {
  const invalid: readonly (readonly [type: string, text: string])[] = [
    ["uuid", "42"],
    ["smallint", "32768"],
    ["integer", "1.5"],
    ["integer", "2147483648"],
    ["bigint", "9223372036854775808"],
    ["numeric", "1e5"],
    ["boolean", "yes"],
    ["date", "today"],
    ["timestamp with time zone", "2026-01-02T03:04:05+02:00"],
    ["timestamp with time zone", "now"],
    ["bytea", "\\xa"],
    ["inet", "localhost"],
  ];
  for (const [type, text] of invalid) expect([type, normalized(type, text)]).toEqual([type, undefined]);
});

test("an id with too few or too many components is no id", () => {
  const order = entity("integer", "text");
  expect(readKey(order, "7,a")).toBe("7,a");
  expect(readKey(order, "7")).toBeUndefined();
  expect(readKey(order, "7,a,b")).toBeUndefined();
});

test("a normalized key stays as it is", () => {
  fc.assert(
    fc.property(fc.constantFrom("text", "citext", "character(9)", "numeric"), storableText, (type, text) => {
      const once = readKey(entity(type), keyText([text]));
      if (once !== undefined) expect(readKey(entity(type), once)).toBe(once);
    }),
  );
});

test("a document's key has the components in the order of the primary key", () => {
  const keyed = { ...entity("integer", "character(3)", "boolean"), key: ["k1", "k0", "k2"] };
  expect(keyOf(keyed, { k0: 7, k1: "a  ", k2: true, other: 1 })).toBe("a,7,true");
  expect(() => keyOf(keyed, { k0: 7, k1: "a" })).toThrow(
    "entity sample: the document has no k2, which belongs to its key",
  );
});

test("a document has its id also when another locale lowers its letters", () => {
  const keyed = entity("citext", "integer");
  expect(isKeyOf(keyed, "straße,1", { k0: "STRAßE", k1: 1 })).toBe(true);
  expect(isKeyOf(keyed, "É,1", { k0: "É", k1: 1 })).toBe(true);
  expect(isKeyOf(keyed, "é,1", { k0: "É", k1: 1 })).toBe(true);
  expect(isKeyOf(keyed, "é,1", { k0: "É", k1: 2 })).toBe(false);
  expect(isKeyOf(keyed, "e,1", { k0: "É", k1: 1 })).toBe(false);
});
