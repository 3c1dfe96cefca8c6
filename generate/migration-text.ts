/** The text of a migration, for people to read before it runs. Pure. */
import type { ContractStep } from "./contract.ts";

/** What a migration has. */
export interface MigrationParts {
  /** First line: what it is for. */
  readonly title: string;
  readonly statements: readonly string[];
  /** What a person does after it ran: statements, and lines that are comments already. */
  readonly fills?: readonly string[];
  readonly contract?: readonly ContractStep[];
}

/** The text of the file. */
export function migrationText({ title, statements, fills = [], contract = [] }: MigrationParts): string {
  const parts = [
    `-- ${title}\n-- Generated from the declarations. Read it, and edit it as you need: it is fixed once it ran.`,
    ...statements,
    ...(fills.length === 0 ? [] : [commentOf("Migrate, after this file ran:", fills)]),
    ...(contract.length === 0 ? [] : [contractComment(contract)]),
  ];
  return `${parts.join("\n\n")}\n`;
}

const indented = (text: string): string =>
  text
    .split("\n")
    .map((line) => `--   ${line.replace(/^-- /, "")}`)
    .join("\n");

const commentOf = (title: string, lines: readonly string[]): string =>
  [`-- ${title}`, ...lines.map(indented)].join("\n");

const contractComment = (steps: readonly ContractStep[]): string =>
  [
    "-- Contract, later: `lockstep generate --contract` writes these steps as the next migration.",
    ...steps.flatMap(({ title, before, statements, validations }) => [
      `-- ${title}. Before: ${before}.`,
      ...[...statements, ...validations].map(indented),
    ]),
  ].join("\n");

/** The statements of contract steps, with what must be true before. */
export const contractStatements = (steps: readonly ContractStep[]): string[] =>
  steps.flatMap(({ title, before, statements }) =>
    statements.length === 0
      ? [`-- ${title}. ${before}.`]
      : statements.map((statement, i) => (i === 0 ? `-- ${title}. Before: ${before}.\n${statement}` : statement)),
  );
