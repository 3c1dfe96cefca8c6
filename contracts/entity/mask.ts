/**
 * Masks: what a replica gets instead of a value. A mask is a pure function, so that a replay has the same result. Null
 * stays null.
 */
import { createHmac } from "node:crypto";
import type { Document } from "./document.ts";
import { isRawNumber } from "./exact-json.ts";
import type { Field } from "./field.ts";
import { textForm } from "./forms/text.ts";
import { quickCheckOf } from "./quick-check.ts";

/** A mask whose result is a text. */
export interface Mask<Result = string> {
  /** `function`: a function of the declaration, whose result has the type of the member. */
  readonly kind: "omit" | "hash" | "keep-last" | "function";
  /** Name of the setting that has the key of a hash. */
  readonly setting?: string;
  /** @param document the source's document. */
  readonly apply: (value: unknown, document: Document) => Result;
}

/** Keys by mask. They are set once, when a process starts (mask-keys.ts). */
export const keysByMask = new WeakMap<Mask<unknown>, string>();

function hash(setting: string): Mask<string> {
  const mask: Mask<string> = {
    kind: "hash",
    setting,
    apply: (value) => {
      const key = keysByMask.get(mask);
      if (key === undefined) throw new Error(`the key of a mask is not set: give the setting ${setting} a value`);
      return createHmac("sha256", key).update(textOf(value)).digest("hex");
    },
  };
  return mask;
}

function keepLast(count: number): Mask<string> {
  if (!Number.isInteger(count) || count < 0) throw new Error(`mask.keepLast: ${count} must be a whole number from 0`);
  return {
    kind: "keep-last",
    apply: (value) => {
      const characters = [...textOf(value)];
      const hidden = Math.max(characters.length - count, 0);
      return "*".repeat(hidden) + characters.slice(hidden).join("");
    },
  };
}

/** The masks of Lockstep. A function of your own is one too: it returns another value of the member's type. */
export const mask = {
  /** Leaves the member out, like `omit`. */
  omit: { kind: "omit", apply: () => undefined as never } satisfies Mask<never> as Mask<never>,
  /**
   * HMAC-SHA-256 of the value's text in hexadecimal digits: equal values stay equal. The value cannot be computed
   * from the result without the key.
   *
   * @param setting name of the setting that has the key: `CUSTOMER_HASH_KEY`.
   */
  hash,
  /** Replaces all characters but the last `count` by `*`: `******1234`. */
  keepLast,
} as const;

/** The field of a masked member: a text, or the member's own type where the mask is a function of the declaration. */
export function maskedField(field: Field, { kind }: Mask<unknown>): Field {
  if (kind === "function") return field;
  const form = textForm();
  const text = form.complete!(form.schema);
  const schema = field.nullable ? text.nullable() : text;
  return {
    column: field.column,
    type: "text",
    kind: "text",
    nullable: field.nullable,
    private: field.private,
    readOnly: field.readOnly,
    generated: false,
    hasDatabaseDefault: false,
    schema,
    quickCheck: quickCheckOf(schema),
    fromColumn: (value) => value,
  };
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return isRawNumber(value) ? value.rawJSON : JSON.stringify(value);
}
