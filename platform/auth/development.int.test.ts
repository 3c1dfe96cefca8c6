/** The development issuer, with the settings of a stack's services and tools. */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { createLogger } from "../../observability/logger.ts";
import { temporaryFolder } from "../../tests/harness/servers.ts";
import { readSettings } from "../settings/settings.ts";
import { developmentSettings, developmentToken, ensureDevelopmentKey, toolToken } from "./development.ts";
import { IssuerKeys } from "./keys.ts";
import { verifyToken } from "./verify.ts";

const request = { scope: "lockstep:read", subject: "developer", lifetime: "1h" };

test("the key survives a restart, only its owner can read it, and services with its settings accept its tokens", async () => {
  const data = temporaryFolder("development");
  expect(await developmentToken(data, request)).toBeUndefined();
  expect(await toolToken(undefined, data)).toBeUndefined();
  await ensureDevelopmentKey(data);
  const token = (await developmentToken(data, request))!;
  await ensureDevelopmentKey(data);
  for (const file of ["key.json", "jwks.json"]) expect(statSync(join(data, "auth", file)).mode & 0o777).toBe(0o600);
  const settings = readSettings(developmentSettings(data));
  const keys = new IssuerKeys(settings.LOCKSTEP_AUTH_JWKS!, createLogger("test", "1", "silent"));
  const verify = (one: string) =>
    verifyToken(one, keys, { issuer: settings.LOCKSTEP_AUTH_ISSUER!, audience: settings.LOCKSTEP_AUTH_AUDIENCE });
  expect(await verify(token)).toMatchObject({ subject: "developer", scopes: ["lockstep:read"] });
  expect((await verify((await toolToken(undefined, data))!)).scopes).toContain("lockstep:write");
  expect(await toolToken("given", data)).toBe("given");
  keys.close();
});
