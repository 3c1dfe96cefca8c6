/** Settings as text: `lockstep print-config` and `.env.example`. */
import type { Setting } from "./schema/setting.ts";
import { type Settings, settings } from "./settings.ts";

/** The values of all settings, with secrets replaced by `(hidden)`. */
export const printableSettings = (values: Settings): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries<Setting>(settings).map(([name, { secret }]) => {
      const value = values[name as keyof Settings];
      return [name, secret && value !== undefined ? "(hidden)" : (value ?? null)];
    }),
  );

/** The content of `.env.example`. */
export function exampleEnvironment(): string {
  const lines = [
    "# All settings with their defaults. Copy this file to .env and change what you need; Bun reads .env by itself.",
    "# A secret setting may come from a file: set NAME_FILE to its path.",
    "# The password of a URL may come from a file too: ?password-file=/run/secrets/name",
  ];
  for (const [name, { schema, help, secret }] of Object.entries<Setting>(settings)) {
    const initial = schema.safeParse(undefined);
    const value = initial.success && initial.data !== undefined ? String(initial.data) : "";
    lines.push("", ...commentLines(`${help}${secret ? " (secret)" : ""}`), `# ${name}=${value}`);
  }
  return `${lines.join("\n")}\n`;
}

const MAX_COLUMNS = 120;

/** Wraps a text into comment lines. */
function commentLines(text: string): string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > MAX_COLUMNS) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
