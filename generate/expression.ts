/** Expressions of Drizzle as SQL text. */
import type { SQL } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";

const dialect = new PgDialect();

/** An expression with its values in it: `sql\`price > ${0}\`` is `price > 0`. */
export const expressionText = (expression: SQL): string => dialect.sqlToQuery(expression.inlineParams()).sql;
