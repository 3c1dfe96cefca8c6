import { describe, expect, test } from "bun:test";
import { parseResponse } from "./http-response.ts";

const created =
  'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nETag: "7"\r\nContent-Length: 12\r\n\r\n{"id":"é1"}';
const deleted = 'HTTP/1.1 204 No Content\r\netag: "8"\r\n\r\n';

describe("an HTTP response", () => {
  test("is parsed into status, ETag without quotes, and a body of Content-Length bytes", () => {
    const bytes = Buffer.from(created);
    expect(parseResponse(bytes)).toEqual({
      response: { status: 201, etag: "7", body: '{"id":"é1"}' },
      length: bytes.length,
    });
  });

  test("is incomplete until its last byte has arrived", () => {
    const bytes = Buffer.from(created);
    for (let n = 0; n < bytes.length; n++) expect(parseResponse(bytes.subarray(0, n))).toBeUndefined();
  });

  test("leaves the bytes of the next response alone", () => {
    const bytes = Buffer.from(deleted + created);
    expect(parseResponse(bytes)).toEqual({
      response: { status: 204, etag: "8", body: "" },
      length: Buffer.byteLength(deleted),
    });
  });

  test("without Content-Length, or of another protocol, is rejected", () => {
    expect(() => parseResponse(Buffer.from("SSH-2.0-OpenSSH\r\n\r\n"))).toThrow("not an HTTP/1.1 response");
    expect(() => parseResponse(Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))).toThrow(
      "no Content-Length",
    );
  });
});
