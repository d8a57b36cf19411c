// Readies a fresh context: `log`, the object behind `variables`, and built-ins that no script can change, because
// conditions are evaluated without the engine in the belief that `Math.max` and its like are what they always were.
(function (write) {
  "use strict";
  const stringify = JSON.stringify;
  const print = (part) => {
    if (typeof part === "string") return part;
    if (part instanceof Error) return String(part);
    try {
      return stringify(part) ?? String(part);
    } catch {
      return String(part);
    }
  };
  const line = (level) => (...parts) => write(level, parts.map(print).join(" "));
  const log = Object.freeze({ debug: line(0), info: line(1), warn: line(2), error: line(3) });

  const passes = (target, name) => typeof name !== "string" || name in target || name === "toJSON" || name === "then";
  const refuse = (name) => {
    throw new ReferenceError(`variable '${name}' is not declared: declare it under [variables]`);
  };
  const get = Reflect.get;
  const set = Reflect.set;
  const declared = (variables) =>
    new Proxy(Object.seal(variables), {
      get: (target, name) => (passes(target, name) ? get(target, name) : refuse(name)),
      set: (target, name, value) => (passes(target, name) ? set(target, name, value) : refuse(name)),
    });
  Object.defineProperty(globalThis, "$$declared", { value: declared });

  delete globalThis.eval;
  for (const builtin of [Math, JSON, Number.prototype, String.prototype, Boolean.prototype, Array.prototype]) {
    Object.freeze(builtin);
  }
  Object.preventExtensions(Object.prototype);
  Object.preventExtensions(globalThis);
  return log;
});
