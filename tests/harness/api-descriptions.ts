/**
 * Checks HTTP responses against OpenAPI and records against AsyncAPI, as the services describe themselves. Whatever is
 * not described is an error, either of the service or of its description.
 */
import Ajv, { type ValidateFunction } from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { asyncApi } from "../../contracts/asyncapi/document.ts";
import { schemaRef } from "../../contracts/entity/json-schema.ts";
import type { OpenApi } from "../../platform/openapi/document.ts";
import type { Operation, ResponseObject } from "../../platform/openapi/operation.ts";
import { project } from "../project/index.ts";
import type { FetchFunction } from "./client.ts";

/** Headers of every response, which no description names. */
const UNDESCRIBED_HEADERS = [
  "cache-control",
  "connection",
  "content-length",
  "content-type",
  "date",
  "x-content-type-options",
];

interface Schemas {
  readonly components: { readonly schemas: object };
}

/** Returns a compiler of schemas that may refer to the document's components. @throws {Error} for an unknown keyword or format. */
export function validatorsOf(document: Schemas, draft: "2020" | "7"): (schema: object) => ValidateFunction {
  const options = { strict: true, strictTypes: false, strictRequired: false, allErrors: true } as const;
  const ajv = draft === "2020" ? new Ajv2020(options) : new Ajv(options);
  addFormats(ajv as Ajv);
  ajv.addKeyword("components");
  const compiled = new WeakMap<object, ValidateFunction>();
  return (schema) => {
    const known = compiled.get(schema) ?? ajv.compile({ ...schema, components: document.components });
    compiled.set(schema, known);
    return known;
  };
}

/** @throws {Error} with all violations and the value when `value` does not match the schema. */
export function expectValid(validate: ValidateFunction, value: unknown, what: string): void {
  if (!validate(value))
    throw new Error(
      `${what} does not match its schema: ${JSON.stringify(validate.errors)} in ${JSON.stringify(value)}`,
    );
}

/** Returns the path (`a/b` of `#/a/b`) of every reference without a target. */
export const brokenRefs = (document: object): string[] =>
  [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)]
    .map(([, path]) => path!)
    .filter(
      (path) =>
        path.split("/").reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document) === undefined,
    );

/** Checks responses of one service against its OpenAPI document. */
export class OpenApiChecker {
  /** Operations and statuses that were checked, as `createProduct 201`. */
  readonly checkedResponses = new Set<string>();
  readonly schema: (schema: object) => ValidateFunction;

  constructor(readonly document: OpenApi) {
    this.schema = validatorsOf(document, "2020");
  }

  /** Returns every `operation status` that the document describes for routes with this tag. */
  responsesOf(tag: string): string[] {
    const operations = Object.values(this.document.paths).flatMap((methods) => Object.values(methods));
    return operations
      .filter(({ tags }) => tags.includes(tag))
      .flatMap(({ operationId, responses }) => Object.keys(responses).map((status) => `${operationId} ${status}`));
  }

  /** Returns the operation of a request, or undefined when the document describes none. */
  operation(method: string, path: string): Operation | undefined {
    const template = path.replace(/^(\/\w+)\/[^/]+$/, "$1/{id}");
    const methods = this.document.paths[path] ?? this.document.paths[template];
    return methods?.[method === "HEAD" ? "get" : method.toLowerCase()];
  }

  /**
   * Returns a `fetch` that checks each response, and the request body of each successful request.
   *
   * The returned function throws {Error} when either does not match the document.
   */
  checked(fetchResponse: FetchFunction): (url: string, init?: RequestInit) => Promise<Response> {
    return async (url, init = {}) => {
      const response = await fetchResponse(url, init);
      const { status, headers } = response;
      const [method, path] = [init.method ?? "GET", new URL(url, "http://here").pathname];
      const text = await response.clone().text();
      const what = `${method} ${path.slice(0, 100)} ${status}`;
      const operation = this.operation(method, path);
      if (!operation) this.checkUndescribed(method, status, text, what);
      else this.checkResponse(operation, status, headers, method === "HEAD" ? undefined : text, what);
      if (operation && status < 300 && typeof init.body === "string") {
        const { schema } = Object.values(operation.requestBody!.content)[0]!;
        expectValid(this.schema(schema), JSON.parse(init.body), `the request body of ${what}`);
      }
      return response;
    };
  }

  private checkUndescribed(method: string, status: number, text: string, what: string): void {
    const refused = method === "OPTIONS" ? [204, 404] : [404, 405];
    if (!refused.includes(status)) throw new Error(`${what} is not described`);
    if (text) expectValid(this.schema(schemaRef("Problem")), JSON.parse(text), what);
  }

  /** @param text undefined for HEAD, whose response has no body. */
  private checkResponse(
    operation: Operation,
    status: number,
    headers: Headers,
    text: string | undefined,
    what: string,
  ) {
    const answer = operation.responses[status];
    if (!answer) throw new Error(`${what} is not described`);
    this.checkHeaders(answer, headers, what);
    this.checkContent(answer, headers, text, what);
    this.checkedResponses.add(`${operation.operationId} ${status}`);
  }

  private checkHeaders({ headers: described = {} }: ResponseObject, headers: Headers, what: string): void {
    for (const [name, { required, schema }] of Object.entries(described)) {
      const value = headers.get(name);
      if (value !== null) expectValid(this.schema(schema), value, `${name} of ${what}`);
      else if (required) throw new Error(`${what} has no header ${name}`);
    }
    const names = new Set(Object.keys(described).map((name) => name.toLowerCase()));
    for (const name of headers.keys())
      if (!names.has(name) && !UNDESCRIBED_HEADERS.includes(name))
        throw new Error(`${name} of ${what} is not described`);
  }

  private checkContent({ content }: ResponseObject, headers: Headers, text: string | undefined, what: string): void {
    if (!content) {
      if (text) throw new Error(`${what} has a body, but none is described`);
      return;
    }
    const type = headers.get("content-type") ?? "";
    const described = content[type];
    if (!described) throw new Error(`${what} has the undescribed content type ${type}`);
    if (text !== undefined)
      expectValid(this.schema(described.schema), /json$/.test(type) ? JSON.parse(text) : text, what);
  }
}

/** Content of a record, before or after its transport. */
export interface RecordContent {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers: Readonly<Record<string, string | Buffer>>;
}

/** Checks records against the AsyncAPI document. */
export class AsyncApiChecker {
  private readonly schema: (schema: object) => ValidateFunction;

  constructor(readonly document = asyncApi(project, "0.0.0")) {
    this.schema = validatorsOf(document, "7");
  }

  /** Returns the names of the topic's messages whose schemas match the record's headers, key and value. */
  readonly matchingMessages = (topic: string, { key, value, headers }: RecordContent): string[] => {
    const texts = Object.fromEntries(Object.entries(headers).map(([name, of]) => [name, of.toString()]));
    return Object.entries(this.document.channels[topic]!.messages)
      .filter(([, { headers: described, payload, contentType, bindings }]) => {
        const json = contentType === "application/json";
        const read = value !== null && json ? JSON.parse(value.toString()) : value;
        const named = bindings.kafka.key;
        return (
          this.schema(described)(texts) &&
          this.schema(payload)(read) &&
          (!named || this.schema(named)(key?.toString() ?? null))
        );
      })
      .map(([name]) => name);
  };
}
