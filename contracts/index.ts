/** The package `lockstep`: what a project's declarations import. */
export * from "./entity/columns.ts";
export type { AppliedChange, EntityDeclaration, ReplicaDeclaration } from "./entity/declaration.ts";
export { aggregate, child, defineEntity } from "./entity/define-entity.ts";
export { field } from "./entity/derive.ts";
export type { Document } from "./entity/document.ts";
export type { Infer, InferInput } from "./entity/entity-options.ts";
export type { Field } from "./entity/field.ts";
export type { Float, JsonValue } from "./entity/infer.ts";
export { mask } from "./entity/mask.ts";
export { distinct, items } from "./entity/rules.ts";
export { defineProject, type Project } from "./project.ts";
