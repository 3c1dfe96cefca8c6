/** A client with the interface of postgres.js, whose statements a model executes. */
import type { Sql } from "../../platform/postgres/connect.ts";

/** Executes one statement: its text, with `$` for each parameter of a template, and its parameters. */
export type Execute = (text: string, parameters: readonly unknown[]) => Promise<readonly object[]>;

/** Marks a name that a template quotes: `sql("products")`. */
class Identifier {
  constructor(readonly name: string) {}
}

const texts = new WeakMap<TemplateStringsArray, string>();

function textOf(strings: TemplateStringsArray): string {
  let text = texts.get(strings);
  if (text === undefined) {
    text = strings.join("$").replaceAll(/\s+/g, " ");
    texts.set(strings, text);
  }
  return text;
}

/** @param max number of connections, for the pool around it. */
export function sqlClient(execute: Execute, max = 1): Sql {
  const client = (strings: TemplateStringsArray | string, ...parameters: unknown[]) =>
    typeof strings === "string"
      ? new Identifier(strings)
      : execute(
          textOf(strings),
          parameters.filter((parameter) => !(parameter instanceof Identifier)),
        );
  return Object.assign(client, {
    unsafe: (text: string, parameters: readonly unknown[] = []) => execute(text, parameters),
    options: { max },
    end: async () => {},
  }) as unknown as Sql;
}

/** An error as postgres.js throws it for a connection that was lost, or was never open. */
export const connectionError = (code: "CONNECTION_CLOSED" | "ECONNRESET" | "ECONNREFUSED"): Error =>
  Object.assign(new Error(`the connection to the database was lost (${code})`), { code });
