// Shows /openapi.json. Text becomes text nodes and never markup, so the document cannot do anything
// here, and the page lives under a policy without inline scripts and styles.

/** An element; what is not a node becomes text, what is null is left out. */
function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

/** The little of CommonMark that the document uses: paragraphs, `code`, **bold**. */
function prose(text, name = "p") {
  return (text ?? "").split(/\n\n+/).filter(Boolean).map((paragraph) =>
    el(name, {}, paragraph.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
      if (part.startsWith("`")) return el("code", {}, part.slice(1, -1));
      if (part.startsWith("**")) return el("strong", {}, part.slice(2, -2));
      return part;
    })));
}

class ApiPage {
  constructor(api) {
    this.api = api;
  }

  /** What a reference stands for; anything else is itself. */
  resolve(thing) {
    if (!thing?.$ref) return thing;
    return thing.$ref.slice(2).split("/").reduce(
      (at, key) => at[key.replaceAll("~1", "/").replaceAll("~0", "~")], this.api);
  }

  operations() {
    const verbs = ["get", "post", "put", "patch", "delete"];
    return Object.entries(this.api.paths).flatMap(([path, item]) =>
      verbs.filter((verb) => item[verb]).map((verb) => {
        const of = item[verb];
        const parameters = [...(item.parameters ?? []), ...(of.parameters ?? [])];
        return { path, verb, of, parameters: parameters.map((one) => this.resolve(one)) };
      }));
  }

  // ---- schemas

  /** A schema in a few words, with links to the named ones: `integer, 1 to 1000, default 100`. */
  brief(schema) {
    if (schema.$ref) {
      const name = schema.$ref.split("/").at(-1);
      return [el("a", { href: `#schema-${name}` }, name)];
    }
    const options = schema.anyOf ?? schema.oneOf;
    if (options) return options.flatMap((one, i) => (i ? [" or ", ...this.brief(one)] : this.brief(one)));
    if ("const" in schema) return [JSON.stringify(schema.const)];
    if (schema.enum) return [schema.enum.map((one) => JSON.stringify(one)).join(" | ")];
    if (schema.items) return ["array of ", ...this.brief(schema.items), this.bounds(schema)];
    return [[schema.type ?? "any"].flat().join(" | "), this.bounds(schema)];
  }

  bounds(schema) {
    const said = [];
    const range = (least, most, unit) => {
      if (least !== undefined && most !== undefined) said.push(`${least} to ${most}${unit}`);
      else if (least !== undefined) said.push(`at least ${least}${unit}`);
      else if (most !== undefined) said.push(`at most ${most}${unit}`);
    };
    range(schema.minimum, schema.maximum, "");
    range(schema.minLength, schema.maxLength, " characters");
    range(schema.minItems, schema.maxItems, " items");
    if (schema.format) said.push(schema.format);
    if (schema.pattern) said.push(`like ${schema.pattern}`);
    if (schema.default !== undefined) said.push(`default ${JSON.stringify(schema.default)}`);
    return said.length ? `, ${said.join(", ")}` : "";
  }

  /** The members of an object, one a row; those of objects inside follow with their path. */
  members(schema, prefix = "") {
    return Object.entries(schema.properties ?? {}).flatMap(([name, of]) => {
      const inner = of.items?.properties ? of.items : of;
      const path = prefix + name + (of.items?.properties ? "[]" : "");
      const needed = schema.required?.includes(name) ? null : el("span", { class: "quiet" }, " optional");
      const row = el("tr", {},
        el("td", {}, el("code", {}, path), needed),
        el("td", {}, inner.properties ? (of.items ? "array of objects" : "object") : this.brief(of)),
        el("td", {}, prose(of.description)));
      return [row, ...this.members(inner, `${path}.`)];
    });
  }

  table(heads, rows) {
    return el("div", { class: "scroll" }, el("table", {},
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows)));
  }

  schema(schema) {
    if (schema.$ref || !schema.properties) return el("p", {}, this.brief(schema));
    return this.table(["Member", "Type", ""], this.members(schema));
  }

  // ---- an operation

  /** A line that works as it stands where the server runs without tokens. */
  curl({ path, verb, of, parameters }) {
    const words = ["curl", "-sS"];
    const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
    if (verb !== "get") words.push("-X", verb.toUpperCase());
    const example = (one) => String(one.example ?? one.schema.default ?? one.name);
    let target = path;
    const query = [];
    for (const one of parameters) {
      const value = encodeURIComponent(example(one));
      if (one.in === "path") target = target.replace(`{${one.name}}`, value);
      if (one.in === "query" && one.required) query.push(`${one.name}=${value}`);
    }
    if (query.length) target += `?${query.join("&")}`;
    for (const [type, content] of Object.entries(of.requestBody?.content ?? {})) {
      words.push("-H", quote(`Content-Type: ${type}`));
      words.push("-d", quote(JSON.stringify(content.example)));
    }
    words.push(quote(location.origin + target));
    const line = words.join(" ");
    const copy = el("button", { type: "button" }, "Copy");
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(line).then(
        () => (copy.textContent = "Copied"), () => (copy.textContent = "Not allowed"));
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
    return el("div", { class: "curl" }, el("pre", {}, line), copy);
  }

  answer([status, given]) {
    const of = this.resolve(given);
    const headers = Object.entries(of.headers ?? {}).map(([name, header]) =>
      el("p", {}, el("code", {}, name), " ", prose(this.resolve(header).description, "span")));
    const contents = Object.entries(of.content ?? {}).flatMap(([type, content]) => {
      const shown = [el("p", {}, el("code", {}, type), " ", content.schema.properties ? null : this.brief(content.schema))];
      if (content.schema.properties) shown.push(this.schema(content.schema));
      const examples = content.example === undefined
        ? Object.values(content.examples ?? {}).map((one) => one.value) : [content.example];
      if (examples.length) shown.push(this.examples(examples));
      return shown;
    });
    return el("tr", {}, el("td", {}, el("code", {}, status === "default" ? "any other" : status)),
      el("td", {}, prose(of.description), headers, contents));
  }

  examples(all) {
    const text = all.map((one) => (typeof one === "string" ? one : JSON.stringify(one, null, 2)));
    const shown = el("pre", {}, text.join("\n"));
    return el("details", {}, el("summary", {}, all.length > 1 ? "Examples" : "Example"), el("div", {}, shown));
  }

  operation(one) {
    const { path, verb, of, parameters } = one;
    const body = el("div", {}, prose(of.description), this.curl(one));
    if (parameters.length) {
      body.append(el("h3", {}, "Parameters"), this.table(["Name", "In", "Type", ""], parameters.map((each) =>
        el("tr", {},
          el("td", {}, el("code", {}, each.name), each.required ? null : el("span", { class: "quiet" }, " optional")),
          el("td", {}, each.in), el("td", {}, this.brief(each.schema)), el("td", {}, prose(each.description))))));
    }
    for (const [type, content] of Object.entries(of.requestBody?.content ?? {})) {
      body.append(el("h3", {}, "Body"), ...prose(of.requestBody.description),
        el("p", {}, el("code", {}, type), " ", this.brief(content.schema)), this.examples([content.example]));
    }
    body.append(el("h3", {}, "Answers"), this.table(["Status", ""], Object.entries(of.responses).map((each) => this.answer(each))));
    return el("details", { class: "operation", id: of.operationId },
      el("summary", {},
        el("span", { class: `method ${verb}` }, verb.toUpperCase()), el("span", { class: "path" }, path),
        el("span", {}, of.summary), el("span", { class: "role" }, of["x-role"] ? `needs ${of["x-role"]}` : "open to all")),
      body);
  }

  // ---- the page

  show() {
    const { info, tags, components } = this.api;
    document.title = `${info.title}: the API`;
    document.getElementById("title").replaceChildren(`${info.title} `, el("small", {}, info.version));
    const main = document.getElementById("main");
    const index = document.getElementById("index");
    main.replaceChildren(...prose(info.description));
    const all = this.operations();
    for (const tag of tags) {
      const own = all.filter((one) => one.of.tags.includes(tag.name));
      const title = tag.name[0].toUpperCase() + tag.name.slice(1);
      main.append(el("section", { "aria-label": title },
        el("h2", {}, title), prose(tag.description), own.map((one) => this.operation(one))));
      index.append(el("li", {}, el("span", {}, title), own.map((one) =>
        el("a", { href: `#${one.of.operationId}` }, el("b", { class: one.verb }, one.verb.toUpperCase()), ` ${one.path}`))));
    }
    main.append(el("section", { "aria-label": "Schemas" }, el("h2", {}, "Schemas"),
      Object.entries(components.schemas).map(([name, schema]) =>
        el("details", { class: "schema", id: `schema-${name}` },
          el("summary", {}, el("span", { class: "path" }, name)),
          el("div", {}, prose(schema.description), this.schema(schema))))));
    document.getElementById("filter").addEventListener("input", (event) => this.filter(event.target.value));
    window.addEventListener("hashchange", () => this.open());
    this.open();
  }

  filter(text) {
    const wanted = text.trim().toLowerCase();
    for (const one of document.querySelectorAll("main details.operation")) {
      one.hidden = !one.textContent.toLowerCase().includes(wanted);
      document.querySelector(`nav a[href="#${one.id}"]`).hidden = one.hidden;
    }
    const empty = (of, inner) => ![...of.querySelectorAll(inner)].some((one) => !one.hidden);
    for (const one of document.querySelectorAll("main section")) one.hidden = empty(one, "details.operation, details.schema");
    for (const one of document.querySelectorAll("nav li")) one.hidden = empty(one, "a");
  }

  /** Opens what the address names. */
  open() {
    const named = document.getElementById(location.hash.slice(1));
    if (named?.tagName !== "DETAILS") return;
    named.open = true;
    named.scrollIntoView();
  }
}

try {
  const got = await fetch("/openapi.json");
  if (!got.ok) throw new Error(`The server answered ${got.status}.`);
  new ApiPage(await got.json()).show();
} catch (error) {
  document.getElementById("status").textContent = `The document cannot be shown. ${error.message}`;
}
