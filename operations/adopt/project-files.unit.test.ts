import { expect, test } from "bun:test";
import { projectFileText } from "./project-files.ts";

const file = (body: string) =>
  `import { defineProject } from "lockstep";\nimport { task } from "./entities/task.ts";\n\nexport default defineProject({\n${body}\n});\n`;

test("adopted entities join the list of a project", () => {
  const text = projectFileText(file('  entities: [task],\n  migrations: new URL("./migrations/", import.meta.url),'));
  expect(text).toContain('task.ts";\nimport * as adopted from "./entities/adopted.ts";\n');
  expect(text).toContain("  entities: [...Object.values(adopted), task],\n");
  expect(projectFileText(text)).toBe(text);
});

test("a project without entities or migrations gets both", () => {
  expect(projectFileText(file("  entities: [],"))).toContain(
    '  entities: [...Object.values(adopted)],\n  migrations: new URL("./migrations/", import.meta.url),\n',
  );
});

test("a list of another name is extended", () => {
  expect(projectFileText(file("  entities,\n  migrations,"))).toContain(
    "entities: [...entities, ...Object.values(adopted)],",
  );
  expect(projectFileText(file("  entities: all,\n  migrations,"))).toContain(
    "entities: [...all, ...Object.values(adopted)],",
  );
});

test("a file of another form stays as it is", () => {
  expect(projectFileText("export { default } from './other.ts';\n")).toBeUndefined();
});
