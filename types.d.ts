// SQL and Lua are code of their own: they are imported as text, so that they are also inside the standalone executable.
declare module "*.sql" {
  const text: string;
  export default text;
}
declare module "*.lua" {
  const text: string;
  export default text;
}
