import { expect, test } from "bun:test";
import { hostname } from "node:os";
import { readSecretFiles } from "./secret-files.ts";
import { readSettings, SettingsError } from "./settings.ts";

const files: Readonly<Record<string, string>> = {
  "/run/secrets/url": "postgres://a:b@host:5432/db\n",
  "/run/secrets/password": "p@ss,w/%rd\n",
};
const read = (path: string) => {
  const text = files[path];
  if (text === undefined) throw Object.assign(new Error("not found"), { code: "ENOENT" });
  return text;
};
const names = ["DATABASE_URL", "REDIS_URL", "LOCKSTEP_REPLICA_DATABASE_URLS"];
const from = (env: Record<string, string>) => readSecretFiles(env, names, read);

test("NAME_FILE names a file with the whole value", () => {
  expect(from({ DATABASE_URL_FILE: "/run/secrets/url", PORT: "1" })).toEqual({
    env: { DATABASE_URL: "postgres://a:b@host:5432/db", PORT: "1" },
    mistakes: [],
  });
});

test("password-file in a URL names a file with its password, which may have any characters", () => {
  const { env } = from({ DATABASE_URL: "postgres://me@host:5432/db?password-file=/run/secrets/password&ssl=true" });
  const url = new URL(env.DATABASE_URL!);
  expect(decodeURIComponent(url.password)).toBe("p@ss,w/%rd");
  expect([url.username, url.host, url.pathname, url.search]).toEqual(["me", "host:5432", "/db", "?ssl=true"]);
  const redis = from({ REDIS_URL: "redis://cache:6379?password-file=/run/secrets/password" }).env.REDIS_URL!;
  expect(decodeURIComponent(new URL(redis).password)).toBe("p@ss,w/%rd");
});

test("password-file works in each URL of a list", () => {
  const one = "postgres://me@one/db?password-file=/run/secrets/password";
  const { env } = from({ LOCKSTEP_REPLICA_DATABASE_URLS: `a=${one},b=postgres://me:x@two/db` });
  const [a, b] = env.LOCKSTEP_REPLICA_DATABASE_URLS!.split(",");
  expect(a).toMatch(/^a=postgres:\/\/me:[^@]+@one\/db$/);
  expect(b).toBe("b=postgres://me:x@two/db");
});

test("a missing file and a name that is set twice are separate mistakes", () => {
  expect(from({ REDIS_URL_FILE: "/nowhere" }).mistakes).toEqual(["REDIS_URL_FILE: /nowhere cannot be read: ENOENT"]);
  expect(from({ REDIS_URL: "redis://a", REDIS_URL_FILE: "/run/secrets/url" }).mistakes).toEqual([
    "REDIS_URL and REDIS_URL_FILE are both set: remove one of them",
  ]);
  const missing = { DATABASE_URL: "postgres://me@host/db?password-file=/nowhere" };
  expect(() => readSettings(missing)).toThrow(SettingsError);
  expect(() => readSettings({ LOCKSTEP_SHUTDOWN_MS_FILE: "/x" })).toThrow("there is no such setting");
});

test("{hostname} in the name of an instance is the host's name", () => {
  const { LOCKSTEP_INSTANCE } = readSettings({ LOCKSTEP_INSTANCE: "stream-{hostname}" });
  expect(LOCKSTEP_INSTANCE).toBe(`stream-${hostname().toLowerCase()}`);
});
