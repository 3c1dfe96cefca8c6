import { expect, test } from "bun:test";
import { exampleEnvironment } from "../platform/settings/print.ts";
import { readSettings } from "../platform/settings/settings.ts";

const file = await Bun.file(new URL("../.env.example", import.meta.url)).text();

test(".env.example lists every setting as the services know it; if not: bun run env-example", () => {
  expect(file).toBe(exampleEnvironment());
});

test(".env.example with its comment signs taken away is accepted, and changes no default", () => {
  const lines = [...file.matchAll(/^# ([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name, value]);
  expect(lines).not.toBeEmpty();
  expect(readSettings(Object.fromEntries(lines))).toEqual(readSettings({}));
});
