/** Descriptions of the routes that every service has: health, metrics, and the description itself. */
import { z } from "zod";
import { conditionNames } from "../../contracts/conditions.ts";
import { schemaRef } from "../../contracts/entity/json-schema.ts";
import { contentTypes } from "../../observability/exposition.ts";
import { json, type Operation, text } from "./operation.ts";

/** Response of /health/ready. */
export const healthSchema = z.strictObject({
  status: z.enum(["ready", "not ready"]),
  version: z.string(),
  checks: z.array(
    z.strictObject({
      condition: z.enum(conditionNames).describe("the condition that the check watches"),
      problem: z.string().nullable().describe("why the condition is present; null while it is absent"),
      blocksReadiness: z.boolean().describe("true: the service is not ready while the condition is present"),
      since: z.iso.datetime().optional().describe("since when the condition is present"),
      remedy: z.string().optional().describe("what to do about the condition"),
      note: z.string().nullable().optional().describe("additional state that is no problem"),
    }),
  ),
});

const tags = ["service"];

/** Operation of a route that serves a description. */
export const description = (operationId: string, summary: string): Operation => ({
  operationId,
  summary,
  tags,
  responses: { 200: { description: "the description", content: json({ type: "object" }) } },
});

/** Operations by path and method. */
export const servicePaths: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  "/health/live": {
    get: {
      operationId: "live",
      summary: "Liveness: the process responds",
      tags,
      responses: {
        200: {
          description: "the process responds",
          content: json({ type: "object", properties: { status: { const: "up" } }, required: ["status"] }),
        },
      },
    },
  },
  "/health/ready": {
    get: {
      operationId: "ready",
      summary: "Readiness: the service can process requests",
      tags,
      responses: {
        200: { description: "ready", content: json(schemaRef("Health")) },
        503: {
          description: "not ready; a service that is stopping responds with the status only",
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
          description: "all metrics",
          headers: {
            Vary: { description: "Accept selects the format", required: true, schema: { const: "accept" } },
          },
          content: Object.fromEntries(Object.values(contentTypes).map((type) => [type, { schema: text() }])),
        },
      },
    },
  },
  "/openapi.json": { get: description("describe", "This description") },
};
