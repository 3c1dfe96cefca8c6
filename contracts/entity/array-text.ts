/** PostgreSQL's text of an array: `{1,NULL,"a b"}`, `[0:1]={1,2}` (manual, section 8.15.6). Pure. */

/** A parsed array: texts, nulls and arrays of them. */
export type ArrayText = readonly (string | null | ArrayText)[];

/**
 * Parses the text of an array whose lower bounds are 1.
 *
 * @returns undefined for any other text.
 */
export function parseArrayText(text: string): ArrayText | undefined {
  if (!text.startsWith("{")) return undefined;
  const reader = { text, at: 0 };
  const items = readArray(reader);
  return reader.at === text.length ? items : undefined;
}

interface Reader {
  readonly text: string;
  at: number;
}

/** Reads from `{` to behind its `}`. */
function readArray(reader: Reader): ArrayText | undefined {
  const { text } = reader;
  const items: (string | null | ArrayText)[] = [];
  reader.at++;
  if (text[reader.at] === "}") {
    reader.at++;
    return items;
  }
  for (;;) {
    const item = text[reader.at] === "{" ? readArray(reader) : readItem(reader);
    if (item === undefined) return undefined;
    items.push(item);
    const end = text[reader.at++];
    if (end === "}") return items;
    if (end !== ",") return undefined;
  }
}

function readItem(reader: Reader): string | null | undefined {
  const { text } = reader;
  if (text[reader.at] !== '"') {
    const start = reader.at;
    while (reader.at < text.length && text[reader.at] !== "," && text[reader.at] !== "}") reader.at++;
    const item = text.slice(start, reader.at);
    return item === "NULL" ? null : item;
  }
  let item = "";
  for (reader.at++; reader.at < text.length; reader.at++) {
    let character = text[reader.at]!;
    if (character === '"') {
      reader.at++;
      return item;
    }
    if (character === "\\") character = text[++reader.at] ?? "";
    item += character;
  }
  return undefined;
}

/** Writes an array as PostgreSQL's text. Every text is in quotes. */
export const toArrayText = (items: readonly unknown[], textOf: (value: unknown) => string): string =>
  `{${items
    .map((item) => {
      if (item === null) return "NULL";
      if (Array.isArray(item)) return toArrayText(item, textOf);
      return `"${textOf(item).replace(/["\\]/g, "\\$&")}"`;
    })
    .join(",")}}`;
