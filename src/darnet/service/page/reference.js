// The OpenAPI document of the service, to be read.

import { ask } from "./api.js";
import { element } from "./elements.js";
import * as words from "./words.js";

const METHODS = ["get", "post", "delete"];

function kind(schema = {}) {
  if (schema.format === "binary") return "file";
  if (schema.anyOf) return schema.anyOf.filter((one) => one.type !== "null").map(kind).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return `${kind(schema.items)}, repeatable`;
  return schema.type ?? "";
}

function limits(schema = {}) {
  const part = schema.anyOf?.find((one) => one.type !== "null") ?? schema;
  const bounds = part.minimum === undefined ? ""
    : part.maximum === undefined ? `, at least ${part.minimum}` : `, ${part.minimum} to ${part.maximum}`;
  return bounds + (schema.default === undefined || schema.default === null || schema.default.length === 0 ? "" : `; default ${schema.default}`);
}

function table(caption, heads, rows) {
  if (!rows.length) return null;
  return element("table", {}, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map(([name, ...cells]) => element("tr", {},
      element("th", { scope: "row" }, element("code", {}, name)), ...cells.map((cell) => element("td", {}, cell))))));
}

function curl(method, path, fields) {
  const form = "file" in fields ? " -F file=@photo.jpg" : "";
  const how = method === "get" || form ? "" : ` -X ${method.toUpperCase()}`;
  return `curl${how}${form} ${location.origin}${path}`;
}

function section(path, method, operation) {
  const fields = operation.requestBody?.content["multipart/form-data"].schema.properties ?? {};
  const parameters = (operation.parameters ?? []).map((one) => [one.name, `${kind(one.schema)}, in the ${one.in}`, one.description ?? ""]);
  const answers = Object.entries(operation.responses).map(([status, answer]) =>
    [status, Object.keys(answer.content ?? {}).join(", "), answer.description]);
  return element("section", { id: operation.operationId },
    element("h2", {}, element("code", {}, `${method.toUpperCase()} ${path}`)),
    element("p", {}, operation.description ?? operation.summary),
    element("pre", { tabIndex: 0 }, element("code", {}, curl(method, path, fields))),
    table("Parameters", ["Name", "Type", "Meaning"], parameters),
    table("Fields of the form", ["Name", "Type", "Meaning"],
      Object.entries(fields).map(([name, field]) => [name, kind(field) + limits(field), field.description ?? ""])),
    table("Answers", ["Status", "Type", "Meaning"], answers));
}

try {
  const { paths } = await (await ask("/openapi.json")).json();
  document.querySelector("#operations").replaceChildren(...Object.entries(paths).flatMap(([path, operations]) =>
    METHODS.filter((method) => operations[method]).map((method) => section(path, method, operations[method]))));
} catch (error) {
  document.querySelector("#said").textContent = words.problem(error);
}
