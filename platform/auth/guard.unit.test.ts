/** Responses by token. A stand-in verifies the tokens; verify.unit.test.ts has real ones. */
import { expect, test } from "bun:test";
import type { Hono } from "hono";
import { createLogger } from "../../observability/logger.ts";
import { createMetrics } from "../../observability/metrics.ts";
import { serviceApp } from "../http/service-app.ts";
import { readSettings, type Settings, SettingsError } from "../settings/settings.ts";
import { type AuthRules, authorize, createAuth, rejectUnauthenticatedBind } from "./guard.ts";
import { type Caller, TokenRejectedError } from "./verify.ts";

const scopeOf = (method: string) => (method === "GET" ? "lockstep:read" : "lockstep:write");

async function verify(token: string): Promise<Caller> {
  if (token === "expired") throw new TokenRejectedError("expired", "The token has expired.");
  if (token === "unverifiable") throw new TokenRejectedError("keys", "Tokens cannot be verified now.");
  return { subject: "maria", scopes: ["openid", `lockstep:${token}`], expiresMs: 0, token };
}

function guarded(rules: AuthRules): { app: Hono; rejections: string[] } {
  const rejections: string[] = [];
  const app = serviceApp({
    checks: [],
    metrics: createMetrics("test", "1"),
    logger: createLogger("test", "1", "silent"),
  });
  app.use(authorize(verify, rules, (reason) => rejections.push(reason)));
  app.on(["GET", "POST"], "/things", (c) => c.json(c.get("caller")));
  return { app, rejections };
}

const request = async (app: Hono, method: string, authorization?: string) => {
  const headers = authorization === undefined ? {} : { authorization };
  const response = await app.request("/things", { method, headers });
  const body = (await response.json()) as Record<string, unknown>;
  const type = response.headers.get("content-type");
  return { status: response.status, challenge: response.headers.get("www-authenticate"), type, body, response };
};
const basic = (user: string, password: string) => `Basic ${btoa(`${user}:${password}`)}`;

test("a token with the scope is accepted and names the caller; the scheme is case-insensitive", async () => {
  const { app } = guarded({ scopeOf });
  for (const authorization of ["Bearer read", "bearer read", "BEARER  read"])
    expect(await request(app, "GET", authorization)).toMatchObject({
      status: 200,
      body: { subject: "maria", token: "read" },
    });
  expect((await request(app, "POST", "Bearer write")).status).toBe(200);
});

test.each([
  undefined,
  "",
  "Bearer",
  "Bearer ",
  "read",
  "Basic eDpyZWFk",
  "Digest read",
  "Bearerread",
  "Bearer read, Bearer read",
])("without a token (%j): 401 with a challenge that names no error", async (authorization) => {
  const { app, rejections } = guarded({ scopeOf });
  const { status, challenge, type, body } = await request(app, "GET", authorization);
  expect([status, challenge, type]).toEqual([401, 'Bearer realm="lockstep"', "application/problem+json"]);
  expect(body).toMatchObject({
    code: "UNAUTHENTICATED",
    detail: "This request needs a token. Send a token with the scope lockstep:read.",
  });
  expect(rejections).toEqual(["missing"]);
});

test("with a rejected token: 401 with the reason, and without the token", async () => {
  const { app, rejections } = guarded({ scopeOf });
  const { status, challenge, body } = await request(app, "GET", "Bearer expired");
  expect([status, challenge]).toEqual([401, 'Bearer realm="lockstep", error="invalid_token"']);
  expect(body.detail).toStartWith("The token has expired.");
  expect(rejections).toEqual(["expired"]);
});

test("with a token of another scope: 403 that names the required scope", async () => {
  const { app, rejections } = guarded({ scopeOf });
  for (const [method, has, needs] of [
    ["POST", "read", "lockstep:write"],
    ["GET", "write", "lockstep:read"],
    ["GET", "readall", "lockstep:read"],
  ] as const) {
    const { status, challenge, type, body } = await request(app, method, `Bearer ${has}`);
    expect([status, type]).toEqual([403, "application/problem+json"]);
    expect(challenge).toBe(`Bearer realm="lockstep", error="insufficient_scope", scope="${needs}"`);
    expect(body).toMatchObject({ code: "FORBIDDEN", detail: `The token lacks the scope ${needs}.` });
  }
  expect(rejections).toEqual(["scope", "scope", "scope"]);
});

test("while the issuer's keys are unavailable: 503 with Retry-After", async () => {
  const { app } = guarded({ scopeOf });
  const { status, challenge, body, response } = await request(app, "GET", "Bearer unverifiable");
  expect([status, challenge, body.code, response.headers.get("retry-after")]).toEqual([503, null, "UNAVAILABLE", "1"]);
});

test("with basic enabled, a browser may send the token as a password with any user name", async () => {
  const { app } = guarded({ scopeOf, basic: true });
  for (const user of ["", "maria", "jürgen".normalize()])
    expect((await request(app, "GET", basic(encodeURIComponent(user), "read"))).body).toMatchObject({ token: "read" });
  const { status, response } = await request(app, "GET");
  expect(status).toBe(401);
  expect(response.headers.get("www-authenticate")).toBe(
    'Basic realm="lockstep", charset="UTF-8", Bearer realm="lockstep"',
  );
  for (const wrong of ["Basic", "Basic !!", `Basic ${btoa("nocolon")}`, basic("x", "")])
    expect((await request(app, "GET", wrong)).status).toBe(401);
});

test("health and metrics are public, unknown paths need a token", async () => {
  const { app } = guarded({ scopeOf });
  for (const path of ["/health/live", "/health/ready", "/metrics"]) expect((await app.request(path)).status).toBe(200);
  for (const path of ["/", "/nothing", "/metrics/", "/health", "/things/"])
    expect((await app.request(path)).status).toBe(401);
});

test("an address that other machines reach requires LOCKSTEP_AUTH; a loopback address does not", () => {
  const bind = (env: Record<string, string>) => () => rejectUnauthenticatedBind(readSettings(env));
  const issuer = { LOCKSTEP_AUTH_ISSUER: "x", LOCKSTEP_AUTH_JWKS: "https://x/jwks" };
  for (const host of ["0.0.0.0", "::", "192.168.1.7", "lockstep.intern"]) {
    expect(bind({ LOCKSTEP_HOST: host })).toThrow(SettingsError);
    expect(bind({ LOCKSTEP_HOST: host, LOCKSTEP_AUTH: "off" })).not.toThrow();
    expect(bind({ LOCKSTEP_HOST: host, LOCKSTEP_AUTH: "jwt", ...issuer })).not.toThrow();
  }
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    expect(bind({ LOCKSTEP_HOST: host })).not.toThrow();
});

test("P13: settings that were made without readSettings do not disable authorization", () => {
  const { LOCKSTEP_AUTH_ISSUER: _, ...settings } = readSettings({
    LOCKSTEP_AUTH: "jwt",
    LOCKSTEP_AUTH_ISSUER: "x",
    LOCKSTEP_AUTH_JWKS: "https://x/jwks",
  });
  const deps = { metrics: createMetrics("test", "1"), logger: createLogger("test", "1", "silent") };
  expect(() => createAuth({ ...deps, settings: settings as Settings }, { scopeOf })).toThrow(
    "LOCKSTEP_AUTH=jwt: set LOCKSTEP_AUTH_ISSUER and LOCKSTEP_AUTH_JWKS too",
  );
});

test("jwt without an issuer and without keys is two mistakes", () => {
  const read = () => readSettings({ LOCKSTEP_AUTH: "jwt", LOCKSTEP_AUTH_JWKS: "ftp://x" });
  expect(read).toThrow("LOCKSTEP_AUTH_ISSUER: must be set with LOCKSTEP_AUTH=jwt");
  expect(read).toThrow("LOCKSTEP_AUTH_JWKS=ftp://x: must be a URL like");
});
