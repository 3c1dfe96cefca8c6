/**
 * The canonical text of an entity's key: its id in events, URLs, caches, tokens and all tables of Lockstep. Pure.
 *
 * The components of the primary key, in its order, are joined by commas. A component is the text of PostgreSQL's cast
 * to `text` in a session with TimeZone=UTC and DateStyle=ISO, with three exceptions:
 * - `citext` in lower case, because its equality ignores case.
 * - `numeric` without trailing zeros (`trim_scale`), because 1.0 and 1.00 are the same key.
 * - In each component, `%` is written `%25`, `,` is written `%2C`, and the empty text `%00`.
 *
 * A URL percent-encodes the canonical text once more.
 */
import type { Document, EntityId } from "./document.ts";

/** What is needed of a declaration to read and write its keys. */
export interface KeyedEntity {
  readonly name: string;
  /** Members of the primary key, in its order. */
  readonly key: readonly string[];
  readonly fields: Readonly<Record<string, KeyField>>;
}

/** What is needed of the declaration of a field. */
interface KeyField {
  /** PostgreSQL's name of the type. */
  readonly type: string;
  /** Of a domain: the type that it is made of. */
  readonly baseType?: string;
}

/** Returns the canonical text of a component, or undefined when the type has no such value. */
type Normalize = (text: string) => string | undefined;

const COMPONENT = "(?:%00|(?:[^%,\\0]|%25|%2C)+)";
const KEY_TEXT = new RegExp(`^${COMPONENT}(?:,${COMPONENT})*$`);
const ESCAPED = /[%,]/;

/** True for a text that {@link keyText} can make. Whether it fits an entity's key, {@link readKey} says. */
export const isKeyText = (text: string): boolean => KEY_TEXT.test(text) && text.isWellFormed();

/** Makes the text of a key. @param components canonical texts of the values, in the order of the primary key. */
export const keyText = (components: readonly string[]): EntityId => components.map(escapeComponent).join(",");

/** An id as one segment of a URL's path. Its commas need no escape. */
export const pathSegment = (id: EntityId): string => encodeURIComponent(id).replaceAll("%2C", ",");

/** The components of a key. Inverse of {@link keyText}; undefined for a text that it does not make. */
export function keyComponents(text: string): string[] | undefined {
  if (!isKeyText(text)) return undefined;
  return text.split(",").map((component) => {
    if (component === "%00") return "";
    return component.includes("%") ? component.replaceAll("%2C", ",").replaceAll("%25", "%") : component;
  });
}

/**
 * The id of the entity that a document describes.
 *
 * It equals the id that PostgreSQL computes, except for `citext` with letters that the database's locale changes in
 * another way: compare ids by {@link isKeyOf}, and take the id of a stored row from the database.
 *
 * @throws {Error} when the document lacks a member of the key.
 */
export function keyOf(entity: KeyedEntity, document: Document): EntityId {
  const components = componentsOf(entity).map(({ member, normalize }) => {
    const value = document[member];
    if (value === undefined || value === null)
      throw new Error(`entity ${entity.name}: the document has no ${member}, which belongs to its key`);
    const text = String(value);
    return normalize(text) ?? text;
  });
  return components.length === 1 ? escapeComponent(components[0]!) : keyText(components);
}

/** True when the document has this id. */
export function isKeyOf(entity: KeyedEntity, id: EntityId, document: Document): boolean {
  const own = keyOf(entity, document);
  if (own === id) return true;
  const parts = componentsOf(entity);
  if (!parts.some(({ ignoresCase }) => ignoresCase)) return false;
  const [left, right] = [keyComponents(own), keyComponents(id)];
  if (left?.length !== parts.length || right?.length !== parts.length) return false;
  return parts.every(({ ignoresCase }, i) => (ignoresCase ? fold(left[i]!) === fold(right[i]!) : left[i] === right[i]));
}

/**
 * Reads an id that a client or an operator wrote, and normalizes it: a UUID in upper case, an integer with leading
 * zeros.
 *
 * @returns undefined when no entity of this declaration can have the id.
 */
export function readKey(entity: KeyedEntity, text: string): EntityId | undefined {
  const parts = componentsOf(entity);
  // Each event is checked: most keys have one component without an escape, such as a UUID.
  if (parts.length === 1 && text !== "" && !ESCAPED.test(text)) {
    const normalized = parts[0]!.normalize(text);
    return normalized === text || normalized === undefined ? normalized : escapeComponent(normalized);
  }
  const components = keyComponents(text);
  if (components?.length !== parts.length) return undefined;
  const normalized: string[] = [];
  for (const [i, { normalize }] of parts.entries()) {
    const component = normalize(components[i]!);
    if (component === undefined) return undefined;
    normalized.push(component);
  }
  return keyText(normalized);
}

const escapeComponent = (text: string): string => {
  if (text === "") return "%00";
  return ESCAPED.test(text) ? text.replaceAll("%", "%25").replaceAll(",", "%2C") : text;
};

interface Part {
  readonly member: string;
  readonly normalize: Normalize;
  readonly ignoresCase: boolean;
}

const partsByEntity = new WeakMap<KeyedEntity, readonly Part[]>();

function componentsOf(entity: KeyedEntity): readonly Part[] {
  let parts = partsByEntity.get(entity);
  if (!parts) {
    parts = entity.key.map((member) => {
      const { type: own, baseType = own } = entity.fields[member]!;
      const type = baseNameOf(baseType);
      return { member, normalize: normalizers[type] ?? storable, ignoresCase: type === "citext" };
    });
    partsByEntity.set(entity, parts);
  }
  return parts;
}

/** `timestamp(3) with time zone` → `timestamp with time zone`, `public.citext` → `citext`. */
const baseNameOf = (type: string): string => type.replace(/\(.*?\)/, "").replace(/^.*\.(?=citext$)/, "");

/** PostgreSQL's texts have neither U+0000 nor a lone surrogate. */
const storable: Normalize = (text) => (text.includes("\0") || !text.isWellFormed() ? undefined : text);

const matching =
  (pattern: RegExp, convert: (text: string) => string = (text) => text): Normalize =>
  (text) =>
    pattern.test(text) ? convert(text) : undefined;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const uuid: Normalize = (text) => {
  if (UUID.test(text)) return text;
  const lower = text.toLowerCase(); // RFC 9562, section 4: a UUID in upper case is valid input
  return UUID.test(lower) ? lower : undefined;
};

const integer =
  (bits: 16 | 32 | 64): Normalize =>
  (text) => {
    if (!/^[+-]?\d{1,40}$/.test(text)) return undefined;
    const value = BigInt(text.replace(/^\+/, ""));
    return BigInt.asIntN(bits, value) === value ? String(value) : undefined;
  };

const numeric: Normalize = (text) => {
  if (/^(?:NaN|-?Infinity)$/.test(text)) return text;
  const [, sign, whole, fraction = ""] = /^([+-]?)(\d{1,131072})(?:\.(\d{1,16383}))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const digits = whole.replace(/^0+(?=\d)/, "");
  const decimals = fraction.replace(/0+$/, "");
  const number = decimals === "" ? digits : `${digits}.${decimals}`;
  return sign === "-" && number !== "0" ? `-${number}` : number;
};

const withoutPadding: Normalize = (text) => storable(text)?.replace(/ +$/, "");

/** Only letters that every locale lowers in the same way. A canonical text has none of them in upper case. */
const citext: Normalize = (text) => storable(text)?.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Two texts that `citext` may consider equal in some locale. */
const fold = (text: string): string => text.toUpperCase().toLowerCase().normalize("NFC");

const FRACTION = "(?:\\.\\d{1,6})?";
const DATE = "\\d{4,7}-\\d\\d-\\d\\d";
const TIME = `\\d\\d:\\d\\d:\\d\\d${FRACTION}`;
const INFINITE = /^-?infinity$/;

/** PostgreSQL prints no zeros at the end of a fraction. */
const trimFraction = (text: string): string => text.replace(/(\.\d*?)0+(?!\d)/, "$1").replace(/\.(?!\d)/, "");

/** Converts ISO 8601 to PostgreSQL's text of a timestamp in UTC. @param zone as PostgreSQL prints it. */
const timestamp = (zone: "" | "+00"): Normalize => {
  const suffix = zone === "" ? "" : "(?:Z|\\+00(?::00)?)";
  const pattern = new RegExp(`^(${DATE})[ T](${TIME})${suffix}( BC)?$`);
  return (text) => {
    if (INFINITE.test(text)) return text;
    const [, date, time, era = ""] = pattern.exec(text) ?? [];
    return time === undefined ? undefined : `${date} ${trimFraction(time)}${zone}${era}`;
  };
};

const boolean: Normalize = (text) => {
  if (text === "true" || text === "t") return "true";
  return text === "false" || text === "f" ? "false" : undefined;
};

/** PostgreSQL's cast of an address to text always has the length of the network's prefix. */
const inet = matching(/^[0-9a-f.:]+(?:\/\d{1,3})?$/, (text) => {
  if (text.includes("/")) return text;
  return text.includes(":") ? `${text}/128` : `${text}/32`;
});

/** By name of the type. Any other type, such as an enum, has its values' own texts. */
const normalizers: Readonly<Record<string, Normalize>> = {
  uuid,
  smallint: integer(16),
  integer: integer(32),
  bigint: integer(64),
  numeric,
  character: withoutPadding,
  bpchar: withoutPadding,
  citext,
  boolean,
  date: matching(new RegExp(`^(?:${DATE}(?: BC)?|-?infinity)$`)),
  "time without time zone": matching(new RegExp(`^${TIME}$`), trimFraction),
  "timestamp without time zone": timestamp(""),
  "timestamp with time zone": timestamp("+00"),
  bytea: (text) => {
    const lower = text.toLowerCase();
    return /^\\x(?:[0-9a-f]{2})*$/.test(lower) ? lower : undefined;
  },
  inet,
  cidr: inet,
};
