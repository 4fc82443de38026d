"use strict";
// Draws /api/openapi.json. Text goes into the page as text nodes only, so that
// nothing in the document can become markup.

const verbs = ["get", "post", "put", "patch", "delete"];
let api;

// el makes an element: el("a", {href}, child, …); strings become text.
function el(name, attrs, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attrs || {})) {
    if (value !== undefined && value !== "") e.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== undefined && child !== null) e.append(child);
  }
  return e;
}

function deref(value) {
  for (let depth = 0; value && value.$ref && depth < 10; depth++) {
    const found = value.$ref.slice(2).split("/").reduce((at, key) => at && at[key], api);
    if (!found) return {};
    value = found;
  }
  return value || {};
}

const nameOf = (ref) => ref.split("/").pop();

function operations() {
  const all = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const verb of verbs) {
      if (item[verb]) all.push({ path, verb, op: item[verb] });
    }
  }
  return all;
}

// typeOf says a schema's type in a few words, with links to named schemas.
function typeOf(schema) {
  if (!schema) return "anything";
  if (schema.$ref) return el("a", { href: "#schema-" + nameOf(schema.$ref) }, nameOf(schema.$ref));
  if (schema.oneOf || schema.anyOf) return (schema.oneOf || schema.anyOf).flatMap((s, i) => (i ? [" or ", typeOf(s)] : [typeOf(s)]));
  const type = [].concat(schema.type || "anything").join(" or ");
  if (schema.type === "array") return ["list of ", typeOf(schema.items)];
  if (schema.type === "object" && schema.additionalProperties && typeof schema.additionalProperties === "object") {
    return ["map to ", typeOf(schema.additionalProperties)];
  }
  return schema.format ? type + " (" + schema.format + ")" : type;
}

function limits(schema) {
  const said = [];
  if (schema.enum) said.push("one of " + schema.enum.join(", "));
  if (schema.items && schema.items.enum) said.push("of " + schema.items.enum.join(", "));
  if (schema.default !== undefined) said.push("default " + JSON.stringify(schema.default));
  if (schema.minimum !== undefined) said.push("≥ " + schema.minimum);
  if (schema.maximum !== undefined) said.push("≤ " + schema.maximum);
  if (schema.minLength !== undefined) said.push("at least " + schema.minLength + " characters");
  if (schema.maxLength !== undefined) said.push("at most " + schema.maxLength + " characters");
  if (schema.pattern) said.push("matches " + schema.pattern);
  if (schema.writeOnly) said.push("never answered");
  if (schema.readOnly) said.push("answers only");
  return said.join("; ");
}

function row(name, required, schema, text) {
  return el("tr", {},
    el("td", {}, el("code", {}, name), required ? el("span", { class: "note" }, " required") : ""),
    el("td", {}, typeOf(schema)),
    el("td", {}, text || "", limits(schema || {}) ? el("div", { class: "note" }, limits(schema)) : ""));
}

function fields(schema) {
  const props = Object.entries(schema.properties || {});
  if (!props.length) return el("p", {}, typeOf(schema), " ", schema.description || "");
  return el("table", {}, props.map(([name, s]) => row(name, (schema.required || []).includes(name), s, s.description)));
}

function exampleOf(media) {
  if (media.example !== undefined) return media.example;
  const first = Object.values(media.examples || {})[0];
  return first && deref(first).value;
}

function bodyOf(content) {
  return Object.entries(content || {}).map(([type, media]) => {
    const example = exampleOf(media);
    return el("div", {},
      el("p", {}, el("code", {}, type), " ", typeOf(media.schema)),
      example === undefined ? "" : el("pre", {}, typeof example === "string" ? example : JSON.stringify(example, null, 2)));
  });
}

// curl writes the operation as a command line, from its examples.
function curl(path, verb, op) {
  const parts = ["curl -H \"Authorization: Bearer $SLUICE_TOKEN\""];
  let url = path;
  for (const p of (op.parameters || []).map(deref)) {
    const example = p.example !== undefined ? p.example : ((p.schema || {}).examples || [])[0];
    if (p.in === "path") url = url.replace("{" + p.name + "}", encodeURIComponent(example));
  }
  if (verb !== "get") parts.push("-X " + verb.toUpperCase());
  const media = op.requestBody && op.requestBody.content["application/json"];
  if (media) parts.push("--json '" + JSON.stringify(exampleOf(media)).replaceAll("'", "'\\''") + "'");
  parts.push("'" + location.origin + url + "'");
  return parts.join(" \\\n  ");
}

function section({ path, verb, op }) {
  const params = (op.parameters || []).map(deref);
  return el("section", { id: op.operationId },
    el("h2", {}, el("span", { class: "verb " + verb }, verb), op.summary),
    el("p", { class: "path" }, path),
    el("p", {}, op.description || ""),
    el("p", { class: "note" }, op["x-permission"] ? "Needs: " + op["x-permission"] : ""),
    params.length ? [el("h3", {}, "Parameters"), el("table", {}, params.map((p) => row(p.name + " (" + p.in + ")", p.required, p.schema, p.description)))] : "",
    op.requestBody ? [el("h3", {}, "Body"), bodyOf(op.requestBody.content)] : "",
    el("h3", {}, "Answers"),
    Object.entries(op.responses).map(([status, r]) => {
      const full = deref(r);
      return el("details", status < "300" ? { open: "open" } : {}, el("summary", {}, el("code", {}, status), " " + (full.description || "")), bodyOf(full.content));
    }),
    el("details", {}, el("summary", {}, "As a command"), el("pre", {}, curl(path, verb, op))));
}

function front() {
  return [
    el("h2", {}, api.info.title + " " + api.info.version),
    (api.info.description || "").split("\n\n").map((text) => el("p", {}, text)),
    el("p", {}, el("a", { href: "/api/openapi.json" }, "The OpenAPI document")),
    el("h2", {}, "Codes of problems"),
    el("table", {}, Object.entries(api.info["x-problem-codes"] || {}).map(([code, text]) =>
      el("tr", { id: "problem-" + code }, el("td", {}, el("code", {}, code)), el("td", {}, text)))),
  ];
}

function schemaPage(name) {
  const schema = (api.components.schemas || {})[name] || {};
  return [el("h2", {}, name), el("p", {}, schema.description || ""), fields(schema)];
}

function show() {
  const page = document.getElementById("page");
  const hash = decodeURIComponent(location.hash.slice(1));
  const all = operations();
  const one = all.find(({ op }) => op.operationId === hash);
  let content;
  if (one) content = all.filter(({ op }) => op.tags[0] === one.op.tags[0]).map(section);
  else if (hash.startsWith("schema-")) content = schemaPage(hash.slice("schema-".length));
  else content = front();
  page.replaceChildren(...[content].flat(9));
  const target = hash && document.getElementById(hash);
  if (target) target.scrollIntoView();
  else scrollTo(0, 0);
}

function list() {
  const words = document.getElementById("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Map((api.tags || []).map((tag) => [tag.name, []]));
  for (const { path, verb, op } of operations()) {
    const text = (path + " " + op.summary + " " + op.operationId + " " + op.tags.join(" ")).toLowerCase();
    if (!words.every((w) => text.includes(w))) continue;
    const tag = op.tags[0];
    if (!groups.has(tag)) groups.set(tag, []);
    groups.get(tag).push(el("li", {}, el("a", { href: "#" + op.operationId, title: path }, el("span", { class: "verb " + verb }, verb), op.summary)));
  }
  document.getElementById("list").replaceChildren(...[...groups].filter(([, items]) => items.length).flatMap(([tag, items]) => [el("h2", {}, tag), el("ul", {}, items)]));
}

async function start() {
  try {
    const answer = await fetch("/api/openapi.json", { credentials: "same-origin" });
    if (!answer.ok) throw new Error("the server answered " + answer.status);
    api = await answer.json();
  } catch (err) {
    document.getElementById("page").replaceChildren("The document could not be loaded: " + err.message);
    return;
  }
  document.getElementById("find").addEventListener("input", list);
  addEventListener("hashchange", show);
  list();
  show();
}

start();
