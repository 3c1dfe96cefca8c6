import { expect, test } from "bun:test";
import { pgTable, text } from "../contracts/entity/columns.ts";
import { defineEntity } from "../contracts/entity/define-entity.ts";
import { mask } from "../contracts/entity/mask.ts";
import { idColumn, ownColumns, ownOptions } from "../tests/harness/own-columns.ts";
import { composePart, composeVariables, withComposeParts } from "./compose.ts";

const customer = defineEntity(pgTable("customers", { ...idColumn, email: text().notNull(), ...ownColumns }), {
  name: "customer",
  ...ownOptions,
  replicas: { catalog: {}, "web-shop": { mask: { email: mask.hash("CUSTOMER_KEY") } } },
});
const project = {
  entities: [customer],
  replicaNames: ["web-shop", "catalog"],
  offsets: { "web-shop": 2, catalog: 1 },
};
const file = (part: "services" | "volumes") => composePart(part, project);

test("each replica has its database, its port and its targets, whatever the order of the declarations", () => {
  const text = `x-postgres: &postgres {}
x-service: &service {}
x-lockstep: &lockstep {}
x-environment: &environment {}
services:
  gateway:
    environment: { URL: &source postgres:// }
    depends_on: { gateway-db: &healthy { condition: service_healthy } }

${file("services")}

${file("volumes")}
`;
  const reordered = { ...project, replicaNames: ["catalog", "web-shop"] };
  expect(withComposeParts(text, reordered)).toBe(text);
  const { services, volumes, configs } = Bun.YAML.parse(text) as {
    services: Record<string, { ports?: string[]; environment?: Record<string, string> }>;
    volumes: object;
    configs: { prometheus: { content: string } };
  };
  expect(services["web-shop"]?.ports).toEqual(["127.0.0.1:8082:8080"]);
  expect(services.stream?.environment).toMatchObject({ CUSTOMER_KEY: `\${CUSTOMER_KEY:?}` });
  expect(Object.keys(volumes)).toEqual(["redpanda", "gateway-db", "catalog-db", "web-shop-db"]);
  const scrape = Bun.YAML.parse(configs.prometheus.content.replaceAll("$$", "$")) as { scrape_configs: object[] };
  expect(scrape.scrape_configs[0]).toMatchObject({
    dns_sd_configs: [{ names: expect.arrayContaining(["gateway", "catalog", "web-shop"]) }],
  });
});

test("what a person changed outside of the parts stays, and a file without them is theirs alone", () => {
  const text = `services:\n  mine: {}\n\n${file("services")}\n\n${file("volumes")}\n  mine:\n`;
  const added = {
    ...project,
    replicaNames: ["catalog", "web-shop", "insights"],
    offsets: { ...project.offsets, insights: 6 },
  };
  const written = withComposeParts(text, added)!;
  expect(written).toStartWith("services:\n  mine: {}\n\n  # Begin");
  expect(written).toEndWith("volumes\n  mine:\n");
  expect(written).toContain('ports: ["127.0.0.1:8086:8080"]');
  expect(withComposeParts("services: {}\n", added)).toBeUndefined();
});

test(".env has a password per database, and the keys of masks", () => {
  expect(composeVariables(project)).toEqual([
    ...["GATEWAY_DB_PASSWORD", "WEB_SHOP_DB_PASSWORD", "CATALOG_DB_PASSWORD", "CUSTOMER_KEY"],
  ]);
});
