/**
 * Expand steps of a table: what a database gets before the code that needs it. They lose nothing, and processes of the
 * declaration before and after can work beside each other. Pure.
 */
import { UserError } from "../contracts/errors.ts";
import { columnText, isStable, isWidening, schemaPrefix, typeText, wordsCheck, wordsName } from "./columns.ts";
import { inStep } from "./in-step.ts";
import { identifier, literal } from "./names.ts";
import type { ColumnState, RuleState, TableState } from "./snapshot.ts";

/** What becomes of a table. */
export interface Expansion {
  /** The table after all steps. */
  readonly state: TableState;
  readonly statements: readonly string[];
  /** Statements of a transaction of their own, after the others: they read the whole table beside writers. */
  readonly validations: readonly string[];
  /** What a person does after the statements ran: lines of comment. */
  readonly fills: readonly string[];
  /** Columns that documents did not have before, with the SQL of their value in a JSON object `data`. */
  readonly added: ReadonlyMap<string, string>;
}

/** How a table is expanded. */
export interface ExpandOptions {
  readonly isReplica: boolean;
  /** Former names by the name of a column. */
  readonly renames: ReadonlyMap<string, string>;
  /** In a replica: values that rows have in the source without being written again, by column. */
  readonly fillers?: Readonly<Record<string, string>>;
}

/** @throws {UserError} for a change of the primary key. */
export function expandTable(table: string, from: TableState, to: TableState, options: ExpandOptions): Expansion {
  if (from.key.join() !== to.key.join())
    throw new UserError(
      `the key of ${table} changes from ${from.key.join(", ")} to ${to.key.join(", ")}: ids are in every topic and cache, so declare a new entity, copy the rows to it, and remove the old one`,
    );
  const steps = new Steps(table, from, options);
  for (const [name, column] of Object.entries(to.columns)) {
    const former = from.columns[name];
    if (former) steps.change(name, former, column);
    else if (from.columns[options.renames.get(name) ?? ""]) steps.rename(options.renames.get(name)!, name, column);
    else steps.add(name, column);
  }
  for (const [name, column] of Object.entries(from.columns)) if (!to.columns[name]) steps.release(name, column);
  steps.changeRules(from.rules ?? {}, to.rules ?? {});
  return steps.result(from, to);
}

class Steps {
  private readonly columns: Record<string, ColumnState>;
  private readonly actions: string[] = [];
  private readonly before: string[] = [];
  private readonly after: string[] = [];
  private readonly validations: string[] = [];
  private readonly fills: string[] = [];
  private readonly added = new Map<string, string>();

  constructor(
    private readonly table: string,
    from: TableState,
    private readonly options: ExpandOptions,
  ) {
    this.columns = { ...from.columns };
  }

  add(name: string, column: ColumnState): void {
    if (this.options.isReplica) {
      this.addToReplica(name, column);
      return;
    }
    const { values, default: initial, ...plain } = column;
    const isFilled = initial !== undefined && isStable(initial);
    const isOwn = column.generated !== undefined || column.serial !== undefined;
    const state: ColumnState = { ...column, ...(isFilled || isOwn || column.nullable ? {} : { nullable: true }) };
    const { values: _, ...withoutWords } = state;
    this.columns[name] = state;
    if (initial === undefined || isFilled) this.action(`add column ${columnText(name, withoutWords, this.table)}`);
    else {
      // Each row would be written again, under a lock.
      this.action(`add column ${columnText(name, { ...plain, nullable: true }, this.table)}`);
      this.action(`alter column ${identifier(name)} set default ${initial}`);
    }
    if (state.nullable && !column.nullable) this.fill(name, initial === undefined ? "…" : initial);
    if (values) this.addWords(name, values);
    if (!isOwn) this.added.set(name, isFilled ? `to_jsonb((${initial})::${column.type})` : "null");
  }

  /** A process of the declaration before does not write the column. */
  private addToReplica(name: string, column: ColumnState): void {
    const filler = this.options.fillers?.[name];
    const state = { ...column, nullable: true as const };
    this.columns[name] = state;
    this.action(
      `add column ${columnText(name, filler === undefined ? state : { ...state, default: filler }, this.table)}`,
    );
  }

  rename(former: string, name: string, column: ColumnState): void {
    const old = this.columns[former]!;
    const { default: initial, values: _, ...plain } = column;
    this.columns[name] = { ...plain, nullable: true, inStepWith: former };
    const { default: __, ...withoutDefault } = old;
    this.columns[former] = withoutDefault;
    this.action(`add column ${columnText(name, { ...plain, nullable: true }, this.table)}`);
    if (old.default !== undefined) this.action(`alter column ${identifier(former)} drop default`);
    this.after.push(...inStep(this.table, former, name, initial ?? old.default));
    this.fills.push(
      `-- Rows that are not written meanwhile: repeat it until it changes none (\\watch 0.1 in psql).`,
      this.batch(`set ${identifier(name)} = ${identifier(former)}`, name, `and ${identifier(former)} is not null`),
    );
    this.added.set(name, `data -> ${literal(former)}`);
  }

  change(name: string, from: ColumnState, to: ColumnState): void {
    if (from.inStepWith !== undefined) return;
    const column = identifier(name);
    let state = from;
    if (from.type !== to.type && isWidening(from.type, to.type)) {
      this.action(`alter column ${column} type ${typeText(to.type)}`);
      state = { ...state, type: to.type };
    }
    if (!from.nullable && to.nullable) {
      this.action(`alter column ${column} drop not null`);
      state = { ...state, nullable: true };
    }
    if (!this.options.isReplica) state = this.changeDefault(name, state, to);
    this.columns[name] = this.changeWords(name, state, to);
  }

  private changeDefault(name: string, state: ColumnState, to: ColumnState): ColumnState {
    if (state.default === to.default || state.generated !== to.generated || state.serial !== to.serial) return state;
    const { default: _, ...others } = state;
    this.action(
      `alter column ${identifier(name)} ${to.default === undefined ? "drop default" : `set default ${to.default}`}`,
    );
    return to.default === undefined ? others : { ...others, default: to.default };
  }

  private changeWords(name: string, state: ColumnState, to: ColumnState): ColumnState {
    const isWider = state.values && (!to.values || state.values.every((word) => to.values!.includes(word)));
    if (!isWider || state.values!.join() === to.values?.join()) return state;
    const { values: _, ...others } = state;
    this.action(`drop constraint ${wordsName(this.table, name)}`);
    if (!to.values) return others;
    this.addWords(name, to.values);
    return { ...others, values: to.values };
  }

  /** A column that is not declared any more stays, and must not reject rows without it. */
  release(name: string, column: ColumnState): void {
    if (column.nullable || column.default !== undefined || column.generated || column.serial) return;
    if (Object.values(this.columns).some(({ inStepWith }) => inStepWith === name)) return;
    this.action(`alter column ${identifier(name)} drop not null`);
    this.columns[name] = { ...column, nullable: true };
  }

  changeRules(from: Readonly<Record<string, RuleState>>, to: Readonly<Record<string, RuleState>>): void {
    for (const [name, rule] of Object.entries(from)) {
      const next = to[name];
      if (next?.kind === rule.kind && next.definition === rule.definition) continue;
      if (rule.kind === "constraint")
        this.before.push(`alter table ${this.table} drop constraint ${identifier(name)};`);
      else this.before.push(`drop index ${schemaPrefix(this.table)}${identifier(name)};`);
    }
    for (const [name, rule] of Object.entries(to)) {
      const former = from[name];
      if (former?.kind === rule.kind && former.definition === rule.definition) continue;
      const { statements, validations } = addRule(this.table, name, rule);
      this.after.push(...statements);
      this.validations.push(...validations);
    }
  }

  result(from: TableState, to: TableState): Expansion {
    const altered = this.actions.length === 0 ? [] : [`alter table ${this.table}\n  ${this.actions.join(",\n  ")};`];
    return {
      state: { columns: this.columns, key: from.key, ...(to.rules ? { rules: to.rules } : {}) },
      statements: [...this.before, ...altered, ...this.after],
      validations: this.validations,
      fills: this.fills,
      added: this.added,
    };
  }

  private action(text: string): void {
    this.actions.push(text);
  }

  private addWords(name: string, values: readonly string[]): void {
    const constraint = wordsName(this.table, name);
    this.action(`add constraint ${constraint} ${wordsCheck(name, values)} not valid`);
    this.validations.push(`alter table ${this.table} validate constraint ${constraint};`);
  }

  private fill(name: string, value: string): void {
    const reason = value === "…" ? `${name} has no default: write the value of each row, or declare a default.` : "";
    this.fills.push(
      `-- Rows have no ${name} yet. ${reason}`.trimEnd(),
      "-- Repeat it until it changes none (\\watch 0.1 in psql).",
      this.batch(`set ${identifier(name)} = ${value}`, name, ""),
    );
  }

  /** A thousand rows at a time: each is an ordinary write, and writers wait for none of them for long. */
  private batch(set: string, name: string, condition: string): string {
    const where = `${identifier(name)} is null${condition === "" ? "" : ` ${condition}`}`;
    return `update ${this.table} ${set} where ctid in (select ctid from ${this.table} where ${where} limit 1000);`;
  }
}

/** Adds a constraint or an index to a table with rows. */
export function addRule(
  table: string,
  name: string,
  { kind, definition }: RuleState,
): { readonly statements: string[]; readonly validations: string[] } {
  const rule = identifier(name);
  if (kind !== "constraint") {
    const words = kind === "index" ? "index" : "unique index";
    return { statements: [...concurrently(`${words} `, rule, `on ${table} ${definition}`)], validations: [] };
  }
  const columns = /^unique (?:nulls not distinct )?\((.*)\)$/.exec(definition)?.[1];
  if (columns !== undefined) {
    const nulls = definition.includes("nulls not distinct") ? " nulls not distinct" : "";
    return {
      statements: [
        ...concurrently("unique index ", rule, `on ${table} (${columns})${nulls}`),
        `alter table ${table} add constraint ${rule} unique using index ${rule};`,
      ],
      validations: [],
    };
  }
  return {
    statements: [`alter table ${table} add constraint ${rule} ${definition} not valid;`],
    validations: [`alter table ${table} validate constraint ${rule};`],
  };
}

const concurrently = (words: string, rule: string, on: string): string[] => [
  `-- Writers wait while PostgreSQL builds an index here. For a large table run this before, outside of a migration:\n--   create ${words}concurrently if not exists ${rule} ${on};\ncreate ${words}if not exists ${rule} ${on};`,
];

/** Rules of a new table: it has no rows that break them. */
export const newTableRules = (table: string, rules: Readonly<Record<string, RuleState>>): string[] =>
  Object.entries(rules).map(([name, { kind, definition }]) =>
    kind === "constraint"
      ? `alter table ${table} add constraint ${identifier(name)} ${definition};`
      : `create ${kind} ${identifier(name)} on ${table} ${definition};`,
  );
