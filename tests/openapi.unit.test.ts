/** The OpenAPI documents of the services are valid and complete. The `.int` tests check that responses match them. */
import { describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import type { Hono } from "hono";
import { exampleForReplica } from "../contracts/entity/example.ts";
import type { Project } from "../contracts/project.ts";
import { gatewayApp } from "../gateway/main.ts";
import { gatewayOpenApi } from "../gateway/openapi/document.ts";
import type { RouteDeps } from "../gateway/routes.ts";
import type { Source } from "../gateway/source.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import type { OpenApi } from "../platform/openapi/document.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { replicaApp } from "../replicas/main.ts";
import { replicaOpenApi } from "../replicas/reads/openapi.ts";
import type { EntityReplica } from "../replicas/replica.ts";
import { replicatedEntities } from "../replicas/replicated-entities.ts";
import { anyTables } from "./any-table/index.ts";
import { brokenRefs, expectValid, OpenApiChecker, validatorsOf } from "./harness/api-descriptions.ts";
import { product, project } from "./project/index.ts";

const running = {
  settings: readSettings({}),
  logger: createLogger("test", "1", "silent"),
  metrics: createMetrics("test", "1"),
  project,
};

/** The real apps without databases. These tests only read their routes and request the OpenAPI document. */
const gatewayOf = (project: Project): Hono =>
  gatewayApp(
    {
      source: {} as Source,
      checks: [],
      auth: { checks: [], isRequired: false, guard: (_, next) => next(), close: () => {} },
      logger: running.logger,
      project,
    },
    { metrics: createMetrics("test", "1") } as RouteDeps,
  );
const replicaNamed = (name: string, of = project): Hono =>
  replicaApp({ ...running, metrics: createMetrics("test", "1"), project: of }, name, {
    entities: replicatedEntities(of, name) as EntityReplica[],
    lagMs: () => undefined,
    checks: [],
  });

const services: [string, OpenApi, Hono][] = [
  ["gateway", gatewayOpenApi(project), gatewayOf(project)],
  ["gateway of any table", gatewayOpenApi(anyTables), gatewayOf(anyTables)],
  ["replica of any table", replicaOpenApi(anyTables, "copy"), replicaNamed("copy", anyTables)],
  ...product.replicas.map(({ name }): [string, OpenApi, Hono] => [
    name,
    replicaOpenApi(project, name),
    replicaNamed(name),
  ]),
];

describe.each(services)("the OpenAPI document of %s", (name, document, app) => {
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));

  test("is valid OpenAPI 3.1, and each of its references resolves", async () => {
    expect(await new Validator().validate(JSON.parse(JSON.stringify(document)))).toEqual({ valid: true });
    expect(brokenRefs(document)).toEqual([]);
    const broken = { ...structuredClone(document), paths: { "/products": { get: { responses: 200 } } } };
    expect(await new Validator().validate(broken)).toMatchObject({ valid: false });
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("is what the service returns at /openapi.json", async () => {
    expect(await (await app.request("/openapi.json")).json()).toEqual(JSON.parse(JSON.stringify(document)));
  });

  test("lists exactly the routes and methods of the service", () => {
    const routes = app.routes.filter(({ method }) => method !== "ALL");
    const declared = routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual([...new Set(declared)].sort());
  });

  test("has schemas that a strict validator accepts, and examples that match them", () => {
    const schema = validatorsOf(document, "2020");
    let examples = 0;
    for (const { operationId, parameters = [], requestBody, responses } of operations) {
      for (const parameter of parameters) schema(parameter.schema);
      for (const { headers = {} } of Object.values(responses))
        for (const header of Object.values(headers)) schema(header.schema);
      for (const { content = {} } of [requestBody ?? {}, ...Object.values(responses)])
        for (const media of Object.values(content)) {
          if ("example" in media && ++examples)
            expectValid(schema(media.schema), media.example, `example of ${operationId}`);
          else schema(media.schema);
        }
    }
    expect(examples).toBeGreaterThan(5);
  }, 60_000);

  if (name.includes("any table")) return;
  test("shows private fields in the gateway only", () => {
    const privateFields = project.entities.flatMap(({ fields }) =>
      Object.keys(fields).filter((field) => fields[field]!.private),
    );
    expect(privateFields).toContain("cost");
    for (const field of privateFields) expect(JSON.stringify(document).includes(`"${field}"`)).toBe(name === "gateway");
  });
});

describe("the response checker of the tests", () => {
  const api = new OpenApiChecker(replicaOpenApi(project, "catalog"));
  const example = exampleForReplica(product, product.replicas[0]!)!;
  const headers = {
    "content-type": "application/json",
    etag: '"1"',
    "cache-control": "no-cache",
    "cache-status": "x; hit",
  };
  const respond = (status: number, body: unknown, more: Record<string, string> = {}) =>
    api.checked(() => new Response(JSON.stringify(body), { status, headers: { ...headers, ...more } }))(
      `/products/${example.id}`,
    );

  test("accepts a response that the document describes", async () => {
    expect((await respond(200, example)).status).toBe(200);
    expect(api.checkedResponses).toEqual(new Set(["readProduct 200"]));
  });

  test.each([
    ["a private member", () => respond(200, { ...example, cost: "1.00" }), "must NOT have additional properties"],
    ["a member of another type", () => respond(200, { ...example, price: 19.9 }), "must be string"],
    ["another status", () => respond(418, example), "418 is not described"],
    [
      "another media type",
      () => respond(200, example, { "content-type": "text/json" }),
      "has the undescribed content type text/json",
    ],
    ["an undocumented header", () => respond(200, example, { "x-new": "1" }), "x-new of"],
    ["a malformed header", () => respond(200, example, { etag: "1" }), "ETag of"],
  ])("rejects %s", async (_what, response, reason) => {
    await expect(response()).rejects.toThrow(reason);
  });

  test("rejects a response without a documented header", async () => {
    await expect(api.checked(() => Response.json(example))(`/products/${example.id}`)).rejects.toThrow("has no header");
  });
});
