/** A column with a new name beside the old one: a trigger keeps both equal, whoever writes either. Pure. */
import { plainName } from "./columns.ts";
import { identifier, objectName } from "./names.ts";

const functionName = (table: string, name: string): string =>
  identifier(objectName(plainName(table), name, "in", "step"));

/**
 * Creates the trigger.
 *
 * @param initial default of the column; the old one has none while both exist.
 */
export function inStep(table: string, former: string, name: string, initial: string | undefined): string[] {
  const trigger = functionName(table, name);
  const [oldColumn, newColumn] = [`new.${identifier(former)}`, `new.${identifier(name)}`];
  const value = [newColumn, oldColumn, ...(initial === undefined ? [] : [initial])].join(", ");
  return [
    `create function ${trigger}() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    ${newColumn} := coalesce(${value});
    ${oldColumn} := ${newColumn};
  elsif ${newColumn} is distinct from old.${identifier(name)} then
    ${oldColumn} := ${newColumn};
  else
    ${newColumn} := ${oldColumn};
  end if;
  return new;
end $$;`,
    `create trigger ${trigger} before insert or update on ${table}\n  for each row execute function ${trigger}();`,
    `alter table ${table} enable always trigger ${trigger};`,
  ];
}

/** Removes the trigger. */
export const endInStep = (table: string, name: string): string[] => [
  `drop trigger ${functionName(table, name)} on ${table};`,
  `drop function ${functionName(table, name)}();`,
];
