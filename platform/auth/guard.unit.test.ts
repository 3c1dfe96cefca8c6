/** What is answered to whom. The judge is told what to find: verify.unit.test.ts has the tokens. */
import { expect, test } from "bun:test";
import type { Hono } from "hono";
import { createLogger } from "../../observability/logger.ts";
import { createMetrics } from "../../observability/metrics.ts";
import { serviceApp } from "../http/service-app.ts";
import { readSettings, SettingsError } from "../settings/settings.ts";
import { type AuthRules, authorize, rejectUnauthenticatedBind } from "./guard.ts";
import { type Caller, TokenRejectedError } from "./verify.ts";

const scopeOf = (method: string) => (method === "GET" ? "lockstep:read" : "lockstep:write");

async function judge(token: string): Promise<Caller> {
  if (token === "expired") throw new TokenRejectedError("expired", "The token has expired.");
  if (token === "unjudged") throw new TokenRejectedError("keys", "Tokens cannot be judged now.");
  return { subject: "maria", scopes: ["openid", `lockstep:${token}`], expiresMs: 0, token };
}

function guarded(rules: AuthRules): { app: Hono; refusals: string[] } {
  const refusals: string[] = [];
  const app = serviceApp({
    checks: [],
    metrics: createMetrics("test", "1"),
    logger: createLogger("test", "1", "silent"),
  });
  app.use(authorize(judge, rules, (reason) => refusals.push(reason)));
  app.on(["GET", "POST"], "/things", (c) => c.json(c.get("caller")));
  return { app, refusals };
}

const ask = async (app: Hono, method: string, authorization?: string) => {
  const headers = authorization === undefined ? {} : { authorization };
  const answer = await app.request("/things", { method, headers });
  const body = (await answer.json()) as Record<string, unknown>;
  const type = answer.headers.get("content-type");
  return { status: answer.status, challenge: answer.headers.get("www-authenticate"), type, body, answer };
};
const basic = (user: string, password: string) => `Basic ${btoa(`${user}:${password}`)}`;

test("who has the scope is let in, and known from then on; the scheme's name is written as one likes", async () => {
  const { app } = guarded({ scopeOf });
  for (const authorization of ["Bearer read", "bearer read", "BEARER  read"])
    expect(await ask(app, "GET", authorization)).toMatchObject({
      status: 200,
      body: { subject: "maria", token: "read" },
    });
  expect((await ask(app, "POST", "Bearer write")).status).toBe(200);
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
])("without a token (%j): 401 that asks for one, and says nothing of an error", async (authorization) => {
  const { app, refusals } = guarded({ scopeOf });
  const { status, challenge, type, body } = await ask(app, "GET", authorization);
  expect([status, challenge, type]).toEqual([401, 'Bearer realm="lockstep"', "application/problem+json"]);
  expect(body).toMatchObject({ code: "UNAUTHENTICATED", detail: expect.stringContaining("lockstep:read") });
  expect(refusals).toEqual(["missing"]);
});

test("with one that is refused: 401 that says so and not what it was", async () => {
  const { app, refusals } = guarded({ scopeOf });
  const { status, challenge, body } = await ask(app, "GET", "Bearer expired");
  expect([status, challenge]).toEqual([401, 'Bearer realm="lockstep", error="invalid_token"']);
  expect(body.detail).toStartWith("The token has expired.");
  expect(refusals).toEqual(["expired"]);
});

test("with one that has another scope: 403 that names the one that is needed", async () => {
  const { app, refusals } = guarded({ scopeOf });
  for (const [method, has, needs] of [
    ["POST", "read", "lockstep:write"],
    ["GET", "write", "lockstep:read"],
    ["GET", "readall", "lockstep:read"],
  ] as const) {
    const { status, challenge, type, body } = await ask(app, method, `Bearer ${has}`);
    expect([status, type]).toEqual([403, "application/problem+json"]);
    expect(challenge).toBe(`Bearer realm="lockstep", error="insufficient_scope", scope="${needs}"`);
    expect(body).toMatchObject({ code: "FORBIDDEN", detail: `The token lacks the scope ${needs}.` });
  }
  expect(refusals).toEqual(["scope", "scope", "scope"]);
});

test("while the issuer's keys are away: 503, to be tried again", async () => {
  const { app } = guarded({ scopeOf });
  const { status, challenge, body, answer } = await ask(app, "GET", "Bearer unjudged");
  expect([status, challenge, body.code, answer.headers.get("retry-after")]).toEqual([503, null, "UNAVAILABLE", "1"]);
});

test("a browser may send it as a password, where that is taken, under any name", async () => {
  const { app } = guarded({ scopeOf, basic: true });
  for (const user of ["", "maria", "jürgen".normalize()])
    expect((await ask(app, "GET", basic(encodeURIComponent(user), "read"))).body).toMatchObject({ token: "read" });
  const { status, answer } = await ask(app, "GET");
  expect(status).toBe(401);
  expect(answer.headers.get("www-authenticate")).toBe(
    'Basic realm="lockstep", charset="UTF-8", Bearer realm="lockstep"',
  );
  for (const wrong of ["Basic", "Basic !!", `Basic ${btoa("nocolon")}`, basic("x", "")])
    expect((await ask(app, "GET", wrong)).status).toBe(401);
});

test("health and metrics are open, paths that are not there are not told of", async () => {
  const { app } = guarded({ scopeOf });
  for (const path of ["/health/live", "/health/ready", "/metrics"]) expect((await app.request(path)).status).toBe(200);
  for (const path of ["/", "/nothing", "/metrics/", "/health", "/things/"])
    expect((await app.request(path)).status).toBe(401);
});

test("an address that others reach needs a word on who may come; this machine's does not", () => {
  const open = (env: Record<string, string>) => () => rejectUnauthenticatedBind(readSettings(env));
  const issuer = { LOCKSTEP_AUTH_ISSUER: "x", LOCKSTEP_AUTH_JWKS: "https://x/jwks" };
  for (const host of ["0.0.0.0", "::", "192.168.1.7", "lockstep.intern"]) {
    expect(open({ LOCKSTEP_HOST: host })).toThrow(SettingsError);
    expect(open({ LOCKSTEP_HOST: host, LOCKSTEP_AUTH: "off" })).not.toThrow();
    expect(open({ LOCKSTEP_HOST: host, LOCKSTEP_AUTH: "jwt", ...issuer })).not.toThrow();
  }
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    expect(open({ LOCKSTEP_HOST: host })).not.toThrow();
});

test("jwt without an issuer or its keys is a mistake, each in a line", () => {
  const read = () => readSettings({ LOCKSTEP_AUTH: "jwt", LOCKSTEP_AUTH_JWKS: "ftp://x" });
  expect(read).toThrow("LOCKSTEP_AUTH_ISSUER: must be set with LOCKSTEP_AUTH=jwt");
  expect(read).toThrow("LOCKSTEP_AUTH_JWKS=ftp://x: must be a URL like");
});
