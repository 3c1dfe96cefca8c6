/** Renames that a person has named: `title=name`, `products.title=name`, `products=items`. Pure. */
import { UserError } from "../contracts/errors.ts";
import type { DatabaseState, TableState } from "./snapshot.ts";

/** One rename, and whether a database has used it. */
export interface Rename {
  readonly text: string;
  readonly table: string | undefined;
  readonly from: string;
  readonly to: string;
}

/** @throws {UserError} for a text of another form. */
export function parseRename(text: string): Rename {
  const [, table, from, to] = /^(?:(.+)\.)?([^.=]+)=([^.=]+)$/.exec(text) ?? [];
  if (from === undefined || to === undefined)
    throw new UserError(`--rename ${text}: write old=new, or table.old=new for a column of one table`);
  return { text, table, from, to };
}

/** What the renames mean for one database. */
export interface DatabaseRenames {
  /** Former names of columns by the new ones, by table. */
  readonly columns: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Former names of tables by the new ones. */
  readonly tables: ReadonlyMap<string, string>;
  readonly used: readonly Rename[];
}

/** Finds the renames that fit: the old name is there and not declared, the new one is declared and not there. */
export function renamesOf(
  from: DatabaseState,
  declared: Readonly<Record<string, TableState>>,
  renames: readonly Rename[],
): DatabaseRenames {
  const tables = new Map<string, string>();
  const columns = new Map<string, Map<string, string>>();
  const used = new Set<Rename>();
  for (const rename of renames)
    if (rename.table === undefined && isRename(from.tables, declared, rename)) {
      tables.set(rename.to, rename.from);
      used.add(rename);
    }
  for (const [name, target] of Object.entries(declared)) {
    const former = from.tables[tables.get(name) ?? name];
    if (!former) continue;
    for (const rename of renames) {
      if (rename.table !== undefined && rename.table !== name) continue;
      if (!isRename(former.columns, target.columns, rename)) continue;
      columns.set(name, (columns.get(name) ?? new Map<string, string>()).set(rename.to, rename.from));
      used.add(rename);
    }
  }
  return { columns, tables, used: [...used] };
}

const isRename = (before: object, after: object, { from, to }: Rename): boolean =>
  Object.hasOwn(before, from) && !Object.hasOwn(after, from) && Object.hasOwn(after, to) && !Object.hasOwn(before, to);

/** A column that is gone and one that is new, of one type: perhaps one that got another name. */
export interface PossibleRename {
  readonly table: string;
  readonly from: string;
  readonly to: string;
}

/** Pairs that a person should decide about. */
export function possibleRenames(
  from: DatabaseState,
  declared: Readonly<Record<string, TableState>>,
  { columns: renamed }: DatabaseRenames,
): PossibleRename[] {
  return Object.entries(declared).flatMap(([table, { columns }]) => {
    const former = from.tables[table];
    if (!former) return [];
    const taken = renamed.get(table) ?? new Map<string, string>();
    const inStep = Object.values(former.columns).map(({ inStepWith }) => inStepWith);
    const gone = Object.keys(former.columns).filter(
      (name) => !columns[name] && !inStep.includes(name) && ![...taken.values()].includes(name),
    );
    const added = Object.keys(columns).filter((name) => !former.columns[name] && !taken.has(name));
    return gone.flatMap((name) =>
      added
        .filter((other) => former.columns[name]!.type === columns[other]!.type)
        .map((other) => ({ table, from: name, to: other })),
    );
  });
}
