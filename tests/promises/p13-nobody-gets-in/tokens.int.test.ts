/**
 * P13: writes, reads of private fields and operations need a token with the right scope, and no output contains a
 * secret.
 */
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
import { project } from "../../project/index.ts";

/** No process listens on this address. */
const unreachable = "127.0.0.1:9";

let issuer: TestIssuer;
let auth: Record<string, string>;
/** A gateway in this process, whose routes the test can list. */
let inProcess: TestGateway;
let gateway: ServiceProcess;
let console: ServiceProcess;

beforeAll(async () => {
  issuer = await TestIssuer.start();
  auth = { LOCKSTEP_AUTH: "jwt", LOCKSTEP_AUTH_ISSUER: ISSUER, LOCKSTEP_AUTH_JWKS: issuer.url };
  inProcess = await testGateway(auth);
  gateway = new ServiceProcess("gateway", {
    ...auth,
    DATABASE_URL: inProcess.databaseUrl,
    PORT: String(await freePort()),
  });
  console = new ServiceProcess("console", {
    ...auth,
    PORT: String(await freePort()),
    LOCKSTEP_SOURCE_DATABASE_URL: inProcess.databaseUrl,
    LOCKSTEP_SERVICE_URLS: `gateway=${gateway.url}`,
    LOCKSTEP_CONSOLE_OPERATIONS: "true",
    KAFKA_BROKERS: unreachable,
  });
  await Promise.all([gateway.untilReady(), console.untilReady()]);
}, 90_000);

afterAll(async () => {
  await Promise.all([inProcess, gateway, console].map((part) => part?.[Symbol.asyncDispose]()));
  issuer?.[Symbol.dispose]();
});

const bearer = async (options?: TokenOptions) => ({ authorization: `Bearer ${await issuer.token(options)}` });
const basic = async (options?: TokenOptions) => ({
  authorization: `Basic ${btoa(`any:${await issuer.token(options)}`)}`,
});
const statusOf = async (response: Promise<JsonResponse>) => (await response).status;

describe("gateway", () => {
  const publicPaths = ["/health/live", "/health/ready", "/metrics"];
  const readMethods = ["GET", "HEAD", "OPTIONS"];

  test("each route needs its scope, also a route that is added later", async () => {
    // Checks each response and each route's scope against the gateway's own OpenAPI document.
    const api = new OpenApiChecker(gatewayOpenApi(project));
    const checkedFetch = api.checked(fetch);
    const routes = inProcess.routes.filter(({ method }) => method !== "ALL");
    expect(routes.length).toBeGreaterThan(publicPaths.length + 5);
    for (const { method, path } of routes) {
      const url = `${inProcess.url}${path.replace(/:\w+/g, Bun.randomUUIDv7())}`;
      const statusWith = async (headers = {}) => (await checkedFetch(url, { method, headers })).status;
      const [needed, other] = readMethods.includes(method)
        ? ["lockstep:read", "lockstep:write lockstep:operate"]
        : ["lockstep:write", "lockstep:read lockstep:operate"];
      const statuses = [
        await statusWith(),
        await statusWith(await basic()),
        await statusWith(await bearer({ scope: other })),
      ];
      expect([method, path, ...statuses]).toEqual([
        method,
        path,
        ...(publicPaths.includes(path) ? [200, 200, 200] : [401, 401, 403]),
      ]);
      expect([401, 403]).not.toContain(await statusWith(await bearer({ scope: needed })));
      const { security } = api.operation(method, new URL(url).pathname)!;
      expect(security).toEqual(publicPaths.includes(path) ? undefined : [{ bearer: [needed] }]);
    }
  });

  test("unknown paths and unsupported methods return 401 without a token, so they reveal no route", async () => {
    for (const [method, path] of [
      ["GET", "/"],
      ["GET", "/nothing"],
      ["OPTIONS", "/products"],
      ["DELETE", "/products"],
      ["POST", "/metrics"],
    ] as const)
      expect(await statusOf(request(method, gateway.url + path))).toBe(401);
  });

  test("each write records the subject of its token as the actor", async () => {
    const headers = await bearer({ claims: { sub: "maria da silva" } });
    const products = `${gateway.url}/products`;
    const { body } = await request("POST", products, newProduct(), headers);
    const path = `${products}/${body.id}`;
    await request("PATCH", path, { stock: 1 }, headers);
    await request("PUT", path, newProduct(), await bearer({ claims: { sub: "joao" } }));
    await request("DELETE", path, undefined, headers);
    const actors = (await outbox(inProcess.sql, String(body.id))).map(({ actor }) => actor);
    expect(actors).toEqual(["maria da silva", "maria da silva", "joao", "maria da silva"]);
  });
});

/** Like `request`, for responses of every media type. */
async function fetchStatus(method: string, url: string, headers: Record<string, string>): Promise<JsonResponse> {
  const { status, headers: responseHeaders, body } = await fetch(url, { method, headers });
  await body?.cancel();
  return { status, headers: responseHeaders, body: {} };
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

  test("returns 401 for every path without a token, and asks browsers for a password", async () => {
    for (const path of paths) {
      const { status, headers } = await fetchStatus("GET", console.url + path, {});
      expect([path, status]).toEqual([path, 401]);
      expect(headers.get("www-authenticate")).toBe('Basic realm="lockstep", charset="UTF-8", Bearer realm="lockstep"');
      const scope = "lockstep:read lockstep:write";
      expect(await statusOf(fetchStatus("GET", console.url + path, await basic({ scope })))).toBe(403);
    }
  });

  test("serves its page and its event stream with a token, as a password or as a bearer token", async () => {
    for (const path of ["/", "/js/main.js", "/api/about", "/api/events"])
      for (const credentials of [await basic(), await bearer()])
        expect(await statusOf(fetchStatus("GET", console.url + path, credentials))).toBe(200);
  });

  test("rejects requests that other sites make through a browser that has the password", async () => {
    const credentials = await basic();
    const write = (headers: Record<string, string>) =>
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
      expect(await statusOf(write(headers))).toBe(403);
    // A form of the same origin is rejected too, because its media type needs no CORS preflight.
    const form = { ...credentials, "content-type": "text/plain", "sec-fetch-site": "same-origin" };
    expect(await statusOf(request("POST", `${console.url}/api/writes`, {}, form))).toBe(415);
    for (const path of paths) {
      // With DNS rebinding, the console asks for no password and returns nothing, even with a valid one.
      const { status, headers } = await fetchStatus("GET", console.url + path, {
        ...credentials,
        host: "evil.example",
      });
      expect([status, headers.get("www-authenticate")]).toEqual([403, null]);
    }
  });

  test("writes as the user of the page, who needs the write scope at the gateway", async () => {
    const input = { entity: "products", operation: "create", document: newProduct() };
    const write = async (scope: string) =>
      (await request("POST", `${console.url}/api/writes`, input, await basic({ scope, claims: { sub: "pedro" } })))
        .body;
    expect(await write("lockstep:operate")).toMatchObject({ status: 403, problem: { code: "FORBIDDEN" } });
    const { status, document } = await write("lockstep:operate lockstep:write");
    expect(status).toBe(201);
    expect((await outbox(inProcess.sql, (document as { id: string }).id)).map(({ actor }) => actor)).toEqual(["pedro"]);
  });
});

test("no response, log line or metric contains a token or a part of one", async () => {
  const foreignKey = await createSigningKey("ES256");
  const tokens = [
    await issuer.token(),
    await issuer.token({ scope: "none" }),
    await issuer.token({ claims: { exp: secondsFromNow(-100) } }),
    await issuer.token({ claims: { iss: "secret-issuer" }, header: { kid: "secret-key" } }),
    await signToken(foreignKey),
    `${await issuer.token()}x`,
    "no-token-but-a-secret",
  ];
  const responses: string[] = [];
  for (const url of [`${gateway.url}/products`, `${console.url}/api/about`])
    for (const token of tokens)
      for (const authorization of [
        `Bearer ${token}`,
        `Basic ${btoa(`x:${token}`)}`,
        token,
        `Bearer ${token} ${token}`,
      ]) {
        const response = await fetch(url, { headers: { authorization } });
        responses.push(JSON.stringify([...response.headers]), await response.text());
        await request("POST", url, {}, { authorization });
      }
  for (const { url } of [gateway, console]) responses.push(await (await fetch(`${url}/metrics`)).text());
  expect(gateway.output).toContain('"msg":"request"');
  const output = [...responses, gateway.output, console.output].join("\n");
  const parts = tokens.flatMap((token) =>
    token
      .split(".")
      .slice(1)
      .concat(token, btoa(`x:${token}`)),
  );
  for (const secret of [...parts, "secret-issuer", "secret-key"]) expect(output.includes(secret)).toBe(false);
  expect(responses.join("\n")).toMatch(/lockstep_auth_refusals_total\{reason="untrusted",.*\} \d/);
}, 30_000);

describe("at startup", () => {
  const startWith = async (command: string, env: Record<string, string>) => {
    await using started = new ServiceProcess(command, {
      DATABASE_URL: `postgres://${unreachable}/x`,
      PORT: "0",
      ...env,
    });
    const status = await started.exitStatus();
    return { status, output: started.output };
  };

  test.each(["gateway", "console"])(
    "a %s on a public address does not start without authorization",
    async (command) => {
      const open = { LOCKSTEP_HOST: "0.0.0.0", LOCKSTEP_SOURCE_DATABASE_URL: `postgres://${unreachable}/x` };
      const { status, output } = await startWith(command, open);
      expect(status).toBe(2);
      expect(output).toContain(
        "LOCKSTEP_HOST=0.0.0.0 lets other machines reach gateway and console without authorization: set LOCKSTEP_AUTH=jwt, or",
      );
    },
  );

  test("LOCKSTEP_AUTH=jwt without an issuer is rejected", async () => {
    const { status, output } = await startWith("gateway", { LOCKSTEP_AUTH: "jwt" });
    expect(status).toBe(2);
    expect(output).toContain("LOCKSTEP_AUTH_ISSUER: must be set with LOCKSTEP_AUTH=jwt");
    expect(output).toContain("LOCKSTEP_AUTH_JWKS: must be set");
  });
});
