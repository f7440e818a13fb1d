/** Python code that rebuilds what is on the screen. */

type Literal = string | number | boolean | null | readonly Literal[] | { [key: string]: Literal };

/** A value as Python writes it. */
export function literal(value: Literal): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "number") {
    if (Number.isFinite(value)) return String(value);
    return `float("${Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf"}")`;
  }
  // JSON's strings are Python's, too, but for lone surrogates, which JSON escapes in the same way.
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  const entries = Object.entries(value as { [key: string]: Literal });
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}: ${literal(item)}`).join(", ")}}`;
}

/** A call: names of variables first, then keyword arguments; `undefined` ones are left out. */
export function call(
  name: string,
  variables: readonly string[],
  keywords: Record<string, Literal | undefined> = {},
): string {
  const given = Object.entries(keywords).filter(([, value]) => value !== undefined);
  const parts = [
    ...variables,
    ...given.map(([key, value]) => `${key}=${literal(value as Literal)}`),
  ];
  return `${name}(${parts.join(", ")})`;
}

/** Lines that set attributes of `variable`; `undefined` ones are left out. */
export function settings(variable: string, values: Record<string, Literal | undefined>): string[] {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${variable}.${key} = ${literal(value as Literal)}`);
}
