/**
 * Contract steps of a table: what is left to do once no process needs the former shape. They remove values, or reject
 * rows that were accepted before. Pure.
 */
import { plainName, typeText, wordsCheck, wordsName } from "./columns.ts";
import { endInStep } from "./in-step.ts";
import { identifier, objectName } from "./names.ts";
import type { ColumnState, TableState } from "./snapshot.ts";

/** One step. */
export interface ContractStep {
  /** `products: drop column description`. */
  readonly title: string;
  /** What must be true before. */
  readonly before: string;
  readonly statements: readonly string[];
  /** Statements of a transaction of their own, after the others. */
  readonly validations: readonly string[];
}

/** The steps from a table after its expansion to the declared one. Empty: the table is as declared. */
export function contractTable(
  table: string,
  from: TableState,
  to: TableState,
  { isReplica }: { readonly isReplica: boolean },
): ContractStep[] {
  const steps = Object.entries(from.columns).flatMap(([name, column]) => {
    const target = to.columns[name];
    if (target) return columnSteps(table, name, column, target, isReplica);
    const isFormer = Object.values(from.columns).some(({ inStepWith }) => inStepWith === name);
    return isFormer ? [] : [dropColumn(table, name)];
  });
  return steps;
}

const dropColumn = (table: string, name: string): ContractStep => ({
  title: `${table}: drop column ${name}`,
  before: `no process of a declaration with it runs, and no SQL reads or writes it; its values are lost`,
  statements: [`alter table ${table} drop column ${identifier(name)};`],
  validations: [],
});

function columnSteps(
  table: string,
  name: string,
  from: ColumnState,
  to: ColumnState,
  isReplica: boolean,
): ContractStep[] {
  const column = identifier(name);
  const alter = (title: string, before: string, action: string): ContractStep => ({
    title: `${table}: ${title}`,
    before,
    statements: [`alter table ${table} ${action};`],
    validations: [],
  });
  const steps: ContractStep[] = [];
  if (from.inStepWith !== undefined) steps.push(endRename(table, from.inStepWith, name, to));
  if (from.type !== to.type)
    steps.push(
      alter(
        `retype ${name} from ${from.type} to ${to.type}`,
        "nothing writes the table: it is locked while all rows are written again, and processes of the declaration before fail. Better: declare a new member with its own column, and drop this one later",
        `alter column ${column} type ${typeText(to.type)} using ${column}::${typeText(to.type)}`,
      ),
    );
  if (from.generated !== to.generated) steps.push(...regenerate(table, name, from, to));
  if (from.values?.join() !== to.values?.join() && to.values) steps.push(changeWords(table, name, from, to.values));
  if (from.nullable && !to.nullable) steps.push(setNotNull(table, name, isReplica));
  return steps;
}

function endRename(table: string, former: string, name: string, to: ColumnState): ContractStep {
  const initial = to.default === undefined ? "" : `, alter column ${identifier(name)} set default ${to.default}`;
  return {
    title: `${table}: drop column ${former}, which ${name} replaces`,
    before: `each row with ${former} has ${name}, no process of a declaration with ${former} runs, and no SQL reads or writes it`,
    statements: [...endInStep(table, name), `alter table ${table} drop column ${identifier(former)}${initial};`],
    validations: [],
  };
}

const regenerate = (table: string, name: string, from: ColumnState, to: ColumnState): ContractStep[] => {
  const expression = /^generated always as (\(.*\)) stored$/s.exec(to.generated ?? "")?.[1];
  if (from.generated === undefined || expression === undefined)
    return [
      {
        title: `${table}: ${name} is generated in another way`,
        before: "PostgreSQL cannot change it in place: declare a new column, and drop this one later",
        statements: [],
        validations: [],
      },
    ];
  return [
    {
      title: `${table}: ${name} has another expression`,
      before: "writers can wait: the table is locked while all rows are written again; afterwards run lockstep repair",
      statements: [`alter table ${table} alter column ${identifier(name)} set expression as ${expression};`],
      validations: [],
    },
  ];
};

function changeWords(table: string, name: string, from: ColumnState, values: readonly string[]): ContractStep {
  const constraint = wordsName(table, name);
  const gone = from.values?.filter((word) => !values.includes(word)) ?? [];
  const dropped = from.values ? `drop constraint ${constraint}, ` : "";
  return {
    title: `${table}: ${name} allows only ${values.join(", ")}`,
    before:
      gone.length > 0
        ? `no row has ${gone.join(", ")}, and no process writes it`
        : "no row has another word, and no process writes one",
    statements: [`alter table ${table} ${dropped}add constraint ${constraint} ${wordsCheck(name, values)} not valid;`],
    validations: [`alter table ${table} validate constraint ${constraint};`],
  };
}

function setNotNull(table: string, name: string, isReplica: boolean): ContractStep {
  const constraint = identifier(objectName(plainName(table), name, "not_null"));
  const column = identifier(name);
  return {
    title: `${table}: ${name} is not null`,
    before: isReplica
      ? `no row has null there, and no process of a declaration without ${name} runs. Send the rows that have null: lockstep repair`
      : `no row has null there, and no process or SQL writes null`,
    statements: [
      ...(isReplica ? [`alter table ${table} alter column ${column} drop default;`] : []),
      `alter table ${table} add constraint ${constraint} not null ${column} not valid;`,
    ],
    validations: [`alter table ${table} validate constraint ${constraint};`],
  };
}
