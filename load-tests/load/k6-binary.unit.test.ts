import { expect, test } from "bun:test";
import { isNewEnough } from "./k6-binary.ts";

test.each([
  ["k6 v1.1.0 (commit/0e3fb953be, go1.24.4, linux/amd64)", true],
  ["k6 v1.10.0 (go1.25.0)", true],
  ["k6 v2.0.1", true],
  ["k6.exe v1.3.0 (go1.25.1, windows/amd64)", true],
  ["k6 v1.0.0", false],
  ["k6 v0.57.0 (go1.23.6, linux/amd64)", false],
  ["sh: k6: not found", false],
  ["", false],
])("%j runs TypeScript with imports: %p", (versionText, expected) => {
  expect(isNewEnough(versionText)).toBe(expected);
});
