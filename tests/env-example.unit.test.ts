import { expect, test } from "bun:test";
import { exampleEnvironment } from "../platform/settings/print.ts";
import { readSettings } from "../platform/settings/settings.ts";

const file = await Bun.file(new URL("../.env.example", import.meta.url)).text();

test(".env.example equals the output of `bun run env-example`, with every setting of the services", () => {
  expect(file).toBe(exampleEnvironment());
});

test(".env.example without its comment signs is valid and equals the defaults", () => {
  const lines = [...file.matchAll(/^# ([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name, value]);
  expect(lines).not.toBeEmpty();
  expect(readSettings(Object.fromEntries(lines))).toEqual(readSettings({}));
});
