/** P13: writes, reads of private fields and operations need a token that allows them; nothing that is a secret is told anywhere. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gatewayOpenApi } from "../../../gateway/openapi/document.ts";
import { OpenApiChecker } from "../../harness/api-descriptions.ts";
import { type JsonResponse, request } from "../../harness/client.ts";
import { outbox, type TestGateway, testGateway } from "../../harness/gateway.ts";
import { newProduct } from "../../harness/load.ts";
import { freePort } from "../../harness/servers.ts";
import { ServiceProcess } from "../../harness/service-process.ts";
import {
  createSigningKey,
  ISSUER,
  secondsFromNow,
  signToken,
  TestIssuer,
  type TokenOptions,
} from "../../harness/token-issuer.ts";

/** Nobody listens there. */
const nowhere = "127.0.0.1:9";

let issuer: TestIssuer;
let auth: Record<string, string>;
/** In this process, to know its routes. */
let known: TestGateway;
let gateway: ServiceProcess;
let console: ServiceProcess;

beforeAll(async () => {
  issuer = await TestIssuer.start();
  auth = { LOCKSTEP_AUTH: "jwt", LOCKSTEP_AUTH_ISSUER: ISSUER, LOCKSTEP_AUTH_JWKS: issuer.url };
  known = await testGateway(auth);
  gateway = new ServiceProcess("gateway", { ...auth, DATABASE_URL: known.databaseUrl, PORT: String(await freePort()) });
  console = new ServiceProcess("console", {
    ...auth,
    PORT: String(await freePort()),
    LOCKSTEP_SOURCE_DATABASE_URL: known.databaseUrl,
    LOCKSTEP_SERVICE_URLS: `gateway=${gateway.url}`,
    LOCKSTEP_CONSOLE_OPERATIONS: "true",
    KAFKA_BROKERS: nowhere,
  });
  await Promise.all([gateway.untilReady(), console.untilReady()]);
}, 90_000);

afterAll(async () => {
  await Promise.all([known, gateway, console].map((one) => one?.[Symbol.asyncDispose]()));
  issuer?.[Symbol.dispose]();
});

const bearer = async (wish?: TokenOptions) => ({ authorization: `Bearer ${await issuer.token(wish)}` });
const basic = async (wish?: TokenOptions) => ({
  authorization: `Basic ${btoa(`anybody:${await issuer.token(wish)}`)}`,
});
const statusOf = async (asked: Promise<JsonResponse>) => (await asked).status;

describe("gateway", () => {
  const open = ["/health/live", "/health/ready", "/metrics"];
  const reading = ["GET", "HEAD", "OPTIONS"];

  test("each of its routes needs the scope that it should, whatever is added to it", async () => {
    // Each answer, and the scope that is told for each route, as the gateway describes itself.
    const api = new OpenApiChecker(gatewayOpenApi());
    const described = api.checked(fetch);
    const routes = known.routes.filter(({ method }) => method !== "ALL");
    expect(routes.length).toBeGreaterThan(open.length + 5);
    for (const { method, path } of routes) {
      const at = `${known.url}${path.replace(/:\w+/g, Bun.randomUUIDv7())}`;
      const ask = async (headers = {}) => (await described(at, { method, headers })).status;
      const [needed, other] = reading.includes(method)
        ? ["lockstep:read", "lockstep:write lockstep:operate"]
        : ["lockstep:write", "lockstep:read lockstep:operate"];
      const seen = [await ask(), await ask(await basic()), await ask(await bearer({ scope: other }))];
      expect([method, path, ...seen]).toEqual([
        method,
        path,
        ...(open.includes(path) ? [200, 200, 200] : [401, 401, 403]),
      ]);
      expect([401, 403]).not.toContain(await ask(await bearer({ scope: needed })));
      const { security } = api.operation(method, new URL(at).pathname)!;
      expect(security).toEqual(open.includes(path) ? undefined : [{ bearer: [needed] }]);
    }
  });

  test("nor does it say what is there: paths that nothing has, and methods that are not possible", async () => {
    for (const [method, path] of [
      ["GET", "/"],
      ["GET", "/nothing"],
      ["OPTIONS", "/products"],
      ["DELETE", "/products"],
      ["POST", "/metrics"],
    ] as const)
      expect(await statusOf(request(method, gateway.url + path))).toBe(401);
  });

  test("who wrote is recorded with each write", async () => {
    const headers = await bearer({ claims: { sub: "maria da silva" } });
    const products = `${gateway.url}/products`;
    const { body } = await request("POST", products, newProduct(), headers);
    const one = `${products}/${body.id}`;
    await request("PATCH", one, { stock: 1 }, headers);
    await request("PUT", one, newProduct(), await bearer({ claims: { sub: "joao" } }));
    await request("DELETE", one, undefined, headers);
    const actors = (await outbox(known.sql, String(body.id))).map(({ actor }) => actor);
    expect(actors).toEqual(["maria da silva", "maria da silva", "joao", "maria da silva"]);
  });
});

/** As `request`, for answers of every kind. */
async function fetched(method: string, url: string, headers: Record<string, string>): Promise<JsonResponse> {
  const { status, headers: answered, body } = await fetch(url, { method, headers });
  await body?.cancel();
  return { status, headers: answered, body: {} };
}

describe("console", () => {
  const paths = [
    "/",
    "/js/main.js",
    "/css/page.css",
    "/icon.svg",
    "/api/about",
    "/api/status",
    "/api/events",
    "/nothing",
  ];

  test("lets nobody see a thing without a token, and asks browsers for it as a password", async () => {
    for (const path of paths) {
      const { status, headers } = await fetched("GET", console.url + path, {});
      expect([path, status]).toEqual([path, 401]);
      expect(headers.get("www-authenticate")).toBe('Basic realm="lockstep", charset="UTF-8", Bearer realm="lockstep"');
      const scope = "lockstep:read lockstep:write";
      expect(await statusOf(fetched("GET", console.url + path, await basic({ scope })))).toBe(403);
    }
  });

  test("shows page and stream to who comes with one, either way", async () => {
    for (const path of ["/", "/js/main.js", "/api/about", "/api/events"])
      for (const credentials of [await basic(), await bearer()])
        expect(await statusOf(fetched("GET", console.url + path, credentials))).toBe(200);
  });

  test("a browser that sends the password by itself is no way in for other sites", async () => {
    const credentials = await basic();
    const tell = (headers: Record<string, string>) =>
      request(
        "POST",
        `${console.url}/api/writes`,
        { entity: "products", operation: "create", document: {} },
        {
          ...credentials,
          ...headers,
        },
      );
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", origin: gateway.url },
      { origin: "https://evil.example" },
      { origin: "null" },
      { host: "evil.example" },
      { host: "evil.example", "sec-fetch-site": "same-origin", origin: "http://evil.example" },
    ])
      expect(await statusOf(tell(headers))).toBe(403);
    // Its own form would be, with a type that needs no question before.
    const form = { ...credentials, "content-type": "text/plain", "sec-fetch-site": "same-origin" };
    expect(await statusOf(request("POST", `${console.url}/api/writes`, {}, form))).toBe(415);
    for (const path of paths) {
      // A name that was pointed here (DNS rebinding) is not asked for a password, and shown nothing with one.
      const { status, headers } = await fetched("GET", console.url + path, { ...credentials, host: "evil.example" });
      expect([status, headers.get("www-authenticate")]).toEqual([403, null]);
    }
  });

  test("writes in the name of who looks at it, who needs the gateway's leave for that", async () => {
    const wish = { entity: "products", operation: "create", document: newProduct() };
    const write = async (scope: string) =>
      (await request("POST", `${console.url}/api/writes`, wish, await basic({ scope, claims: { sub: "pedro" } }))).body;
    expect(await write("lockstep:operate")).toMatchObject({ status: 403, problem: { code: "FORBIDDEN" } });
    const { status, document } = await write("lockstep:operate lockstep:write");
    expect(status).toBe(201);
    expect((await outbox(known.sql, (document as { id: string }).id)).map(({ actor }) => actor)).toEqual(["pedro"]);
  });
});

test("no token, and no part of one, is in any problem, log line or metric", async () => {
  const foreign = await createSigningKey("ES256");
  const planted = [
    await issuer.token(),
    await issuer.token({ scope: "none" }),
    await issuer.token({ claims: { exp: secondsFromNow(-100) } }),
    await issuer.token({ claims: { iss: "secret-issuer" }, header: { kid: "secret-key" } }),
    await signToken(foreign),
    `${await issuer.token()}x`,
    "no-token-but-a-secret",
  ];
  const answers: string[] = [];
  for (const url of [`${gateway.url}/products`, `${console.url}/api/about`])
    for (const token of planted)
      for (const authorization of [
        `Bearer ${token}`,
        `Basic ${btoa(`x:${token}`)}`,
        token,
        `Bearer ${token} ${token}`,
      ]) {
        const answer = await fetch(url, { headers: { authorization } });
        answers.push(JSON.stringify([...answer.headers]), await answer.text());
        await request("POST", url, {}, { authorization });
      }
  for (const { url } of [gateway, console]) answers.push(await (await fetch(`${url}/metrics`)).text());
  expect(gateway.output).toContain('"msg":"request"');
  const told = [...answers, gateway.output, console.output].join("\n");
  const parts = planted.flatMap((token) =>
    token
      .split(".")
      .slice(1)
      .concat(token, btoa(`x:${token}`)),
  );
  for (const secret of [...parts, "secret-issuer", "secret-key"]) expect(told.includes(secret)).toBe(false);
  expect(answers.join("\n")).toMatch(/lockstep_auth_refusals_total\{reason="untrusted",.*\} \d/);
}, 30_000);

describe("at the start", () => {
  const mistakes = async (verb: string, env: Record<string, string>) => {
    await using started = new ServiceProcess(verb, { DATABASE_URL: `postgres://${nowhere}/x`, PORT: "0", ...env });
    const status = await started.exitStatus();
    return { status, said: started.output };
  };

  test.each(["gateway", "console"])("a %s that others can reach asks who may come", async (verb) => {
    const open = { LOCKSTEP_HOST: "0.0.0.0", LOCKSTEP_SOURCE_DATABASE_URL: `postgres://${nowhere}/x` };
    const { status, said } = await mistakes(verb, open);
    expect(status).toBe(2);
    expect(said).toContain(
      "LOCKSTEP_HOST=0.0.0.0 lets other machines reach gateway and console without authorization: set LOCKSTEP_AUTH=jwt, or",
    );
  });

  test("jwt without an issuer is a mistake", async () => {
    const { status, said } = await mistakes("gateway", { LOCKSTEP_AUTH: "jwt" });
    expect(status).toBe(2);
    expect(said).toContain("LOCKSTEP_AUTH_ISSUER: must be set with LOCKSTEP_AUTH=jwt");
    expect(said).toContain("LOCKSTEP_AUTH_JWKS: must be set");
  });
});
