/**
 * A light client of PostgreSQL for statements that run often. It has the part of postgres.js' interface that a service
 * needs for single statements, the same conversions of values and the same errors, and costs half as much per statement
 * (docs/performance.md): no emulated streams, no timer per statement, and one write per statement.
 */
import { type PoolOptions, SessionPool } from "./pool.ts";
import type { Rows } from "./rows.ts";
import type { SessionOptions, Statement } from "./session.ts";

/** A value of a parameter. */
export type ParameterValue = string | number | bigint | boolean | Date | Uint8Array | object | null;

/** The rows of a statement, and how many it changed or answered. */
export type RowList<T extends readonly unknown[]> = T & { readonly count: number };

/** A row whose members the caller knows. */
// biome-ignore lint/suspicious/noExplicitAny: as with postgres.js, the statement's text decides.
type AnyRow = any;

/** Runs single statements. Each is a transaction of its own. */
export interface Statements {
  /** Runs a statement that is parsed once per session. Values become its parameters. */
  <T extends AnyRow[] = AnyRow[]>(
    text: TemplateStringsArray,
    ...values: readonly ParameterValue[]
  ): PromiseLike<RowList<T>>;
  /**
   * Runs a text. Without parameters it may be several statements, whose last rows are the result.
   *
   * @param options.prepare true: the text is parsed once per session.
   */
  unsafe<T extends AnyRow[] = AnyRow[]>(
    text: string,
    parameters?: readonly ParameterValue[],
    options?: { readonly prepare?: boolean },
  ): PromiseLike<RowList<T>>;
  readonly options: { readonly max: number };
  /** Closes the sessions. @param options.timeout seconds after which statements in flight fail. Default: never. */
  end(options?: { readonly timeout?: number }): Promise<void>;
}

/** Opens a pool. Its sessions connect when they are needed. */
export function statementPool(session: SessionOptions, options: PoolOptions): Statements {
  const pool = new SessionPool(session, options);
  const run = (statement: Statement) => pool.run(statement) as Promise<never>;
  const tagged = (strings: TemplateStringsArray, ...values: readonly ParameterValue[]) =>
    run({ text: textOf(strings), parameters: values, types: typesOf(values), kind: "named" });
  return Object.assign(tagged, {
    unsafe: (text: string, parameters: readonly ParameterValue[] = [], { prepare = false } = {}) =>
      run({
        text,
        parameters,
        types: typesOf(parameters),
        kind: parameters.length === 0 ? "simple" : prepare ? "named" : "unnamed",
      }),
    options: { max: options.max },
    end: ({ timeout }: { readonly timeout?: number } = {}) =>
      pool.end(timeout === undefined ? undefined : timeout * 1_000),
  }) as Statements;
}

export type { Rows };

/** The texts of templates, by their identity: one template literal has one. */
const texts = new WeakMap<TemplateStringsArray, string>();

function textOf(strings: TemplateStringsArray): string {
  let text = texts.get(strings);
  if (text === undefined) {
    text = strings.reduce((all, part, i) => `${all}$${i}${part}`);
    texts.set(strings, text);
  }
  return text;
}

const UNTYPED: readonly number[] = Array(32).fill(0);

/** As postgres.js does: the server chooses the types of texts, numbers and null. */
function typesOf(values: readonly ParameterValue[]): readonly number[] {
  if (values.length <= UNTYPED.length && values.every(isUntyped)) return UNTYPED.slice(0, values.length);
  return values.map((value) => {
    if (value === undefined) throw new TypeError("undefined is no value of a parameter");
    if (typeof value === "boolean") return 16;
    if (typeof value === "bigint") return 20;
    if (value instanceof Date) return 1184;
    return value instanceof Uint8Array ? 17 : 0;
  });
}

const isUntyped = (value: ParameterValue): boolean =>
  typeof value === "string" || typeof value === "number" || value === null;
