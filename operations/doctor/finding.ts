/** What a check-up found. */

/** `problem`: something does not work. `warning`: it works, and a person should know. `ok`: it was checked. */
export type Level = "problem" | "warning" | "ok";

/** One line of a check-up. */
export interface Finding {
  /** What was checked: `source`, `replica catalog`, `brokers`, `cache`. */
  readonly area: string;
  readonly level: Level;
  readonly text: string;
  /** The command or statement that changes it. */
  readonly remedy?: string;
}

/** Makes the findings of one area. */
export class Findings {
  readonly list: Finding[] = [];

  constructor(readonly area: string) {}

  ok(text: string): void {
    this.list.push({ area: this.area, level: "ok", text });
  }

  warn(text: string, remedy: string): void {
    this.list.push({ area: this.area, level: "warning", text, remedy });
  }

  fail(text: string, remedy: string): void {
    this.list.push({ area: this.area, level: "problem", text, remedy });
  }
}

const MARKS: Readonly<Record<Level, string>> = { problem: "!", warning: "?", ok: "+" };

/** One finding on one line. */
export const findingText = ({ area, level, text, remedy }: Finding): string =>
  `${MARKS[level]} ${area}: ${text}${remedy === undefined ? "" : `; ${remedy}`}`;
