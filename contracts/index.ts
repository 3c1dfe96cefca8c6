/** The package `lockstep`: what a project's declarations import. */
export { defineEntity, defineReplica, type EntityDeclaration, type ReplicaDeclaration } from "./entity/declaration.ts";
export type { Document } from "./entity/document.ts";
export { boolean, decimal, type Field, integer, oneOf, text, texts } from "./entity/fields.ts";
export { defineProject, type Project } from "./project.ts";
