/** What every service answers beside its work, for who runs it. Described too, so that a description has every route and no exception. */
import { z } from "zod";
import { schemaRef } from "../../contracts/entity/json-schema.ts";
import { contentTypes } from "../../observability/exposition.ts";
import { json, type Operation, text } from "./operation.ts";

/** What /health/ready answers. */
export const healthSchema = z.strictObject({
  status: z.enum(["ready", "not ready"]),
  version: z.string(),
  checks: z.array(
    z.strictObject({
      name: z.string(),
      problem: z.string().nullable().describe("why the service is not ready; null where all is well"),
      note: z.string().nullable().optional().describe("worth knowing, and no reason to be not ready"),
    }),
  ),
});

const tags = ["service"];

/** Of a route that serves a description. */
export const description = (operationId: string, summary: string): Operation => ({
  operationId,
  summary,
  tags,
  responses: { 200: { description: "the description", content: json({ type: "object" }) } },
});

/** By path and method. */
export const servicePaths: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  "/health/live": {
    get: {
      operationId: "live",
      summary: "Whether the process answers at all",
      tags,
      responses: {
        200: {
          description: "it does",
          content: json({ type: "object", properties: { status: { const: "up" } }, required: ["status"] }),
        },
      },
    },
  },
  "/health/ready": {
    get: {
      operationId: "ready",
      summary: "Whether requests should be sent here",
      tags,
      responses: {
        200: { description: "they should", content: json(schemaRef("Health")) },
        503: {
          description: "not now; a service that is about to end says only that it is stopping",
          content: json({
            anyOf: [schemaRef("Health"), { type: "object", properties: { status: { const: "stopping" } } }],
          }),
        },
      },
    },
  },
  "/metrics": {
    get: {
      operationId: "metrics",
      summary: "Metrics for Prometheus, in the format that Accept asks for",
      tags,
      responses: {
        200: {
          description: "every metric",
          headers: { Vary: { description: "the format is chosen by it", required: true, schema: { const: "accept" } } },
          content: Object.fromEntries(Object.values(contentTypes).map((type) => [type, { schema: text() }])),
        },
      },
    },
  },
  "/openapi.json": { get: description("describe", "This description") },
};
