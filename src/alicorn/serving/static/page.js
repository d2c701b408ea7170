// The search page: one box, one searcher, one column per way to answer. Every column is one POST /v1/search.
"use strict";

const LIMIT = 10;
const at = (id) => document.getElementById(id);
const page = { columns: [], logsEvents: false, asked: 0, events: [] };

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// A server with keys asks for one; it is kept until the tab is closed.
const keyed = () => (sessionStorage.getItem("key") ? { "api-key": sessionStorage.getItem("key") } : {});

async function ask(path, body) {
  const posted = body && { method: "POST", body: JSON.stringify(body) };
  const send = () => fetch(path, { ...posted, headers: { "content-type": "application/json", ...keyed() } });
  let answer = await send();
  if (answer.status === 401) {
    page.key ??= Promise.resolve(prompt("This server asks for a key"));  // once for all columns
    const key = await page.key;
    if (key) sessionStorage.setItem("key", key.trim());
    if (key) answer = await send();
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.detail);
  return content;
}

function columnsOf(text) {
  return text.startsWith("(") || page.columns.length === 0
    ? [{ title: "Expression", body: { expression: text } }]
    : page.columns.map(({ title, mode, key }) => ({
        title,
        body: mode === "embedding" ? { text, mode, key } : { text, mode },
      }));
}

function search() {
  const text = at("query").value.trim();
  const searcher = at("searcher").value.trim();
  const address = new URL(location.origin + location.pathname);
  if (text) address.searchParams.set("q", text);
  if (searcher) address.searchParams.set("searcher", searcher);
  if (address.href !== location.href) history.pushState(null, "", address);
  show(text, searcher);
}

function show(text, searcher) {
  const asked = ++page.asked;
  document.title = text ? `${text} - alicorn` : "alicorn";
  at("status").textContent = text ? "" : "Type a query and press Enter.";
  if (!text) return at("columns").replaceChildren();
  const columns = columnsOf(text);
  const sections = columns.map(({ title }) => {
    const section = element("section", "waiting");
    section.append(element("h2", "", title), element("p", "facts", "..."));
    return section;
  });
  at("columns").replaceChildren(...sections);
  columns.forEach(async ({ title, body }, i) => {
    const isText = body.text !== undefined;
    const visit = page.logsEvents && isText ? { session_id: sessionId() } : {};
    const request = { ...body, ...visit, limit: LIMIT, why: true, ...(isText && searcher ? { searcher } : {}) };
    let parts;
    try {
      parts = answered(title, await ask("/v1/search", request));
    } catch (error) {
      parts = [element("h2", "", title), element("p", "error", error.message)];
    }
    if (asked !== page.asked) return; // a newer search is on the page
    sections[i].replaceChildren(...parts);
    sections[i].classList.remove("waiting");
  });
}

function answered(title, answer) {
  const count = answer.total.toLocaleString("en");
  const time = answer.took_ms.toFixed(answer.took_ms < 10 ? 2 : 0);
  const facts = element("p", "facts", `${count} ${answer.total === 1 ? "match" : "matches"}, ${time} ms`);
  facts.title = `of these ${answer.search_ms.toFixed(2)} ms in the engine`;
  const expression = element("code", "expression", answer.expression);
  expression.title = answer.expression;
  const notices = answer.notices.map((notice) => element("p", "notice", notice));
  const list = element("ol");
  list.append(...answer.hits.map((hit, i) => hitItem(hit, i + 1, answer.search_id)));
  return [element("h2", "", title), facts, expression, ...notices, list];
}

function hitItem(hit, position, searchId) {
  const { name, title, ...rest } = hit.stored;
  const item = element("li");
  const head = element("div", "head");
  const link = element("a", "", name || title || hit.doc_id);
  link.href = "/v1/documents/" + hit.doc_id.split("/").map(encodeURIComponent).join("/");
  link.target = "_blank";
  link.rel = "noopener";
  link.title = hit.doc_id;
  const of = { search_id: searchId, doc_id: hit.doc_id, position };
  for (const event of ["click", "auxclick"]) link.addEventListener(event, () => report("click", of));
  whenSeen(item, () => report("seen", of));
  head.append(element("span", "place", position), link);
  if (hit.score !== null) head.append(element("span", "score", hit.score.toFixed(3)));
  item.append(head);
  const fields = Object.entries(rest).filter(([column, value]) => column !== "static_rank" && isShort(value));
  if (fields.length) {
    const stored = element("p", "stored", fields.map(([, value]) => value).join(" \u00b7 "));
    stored.title = fields.map(([column, value]) => `${column}: ${value}`).join("\n");
    item.append(stored);
  }
  const why = reasons(hit.why);
  if (why.childElementCount) item.append(why);
  return item;
}

function isShort(value) {
  return ["string", "number"].includes(typeof value) && String(value) !== "" && String(value).length <= 80;
}

function reasons(why) {
  const shown = element("div", "why");
  for (const term of why.terms) shown.append(element("span", "term", term));
  for (const [name, cosine] of Object.entries(why.cosine)) {
    const chip = element("span", "cosine", `cos ${cosine.toFixed(3)}`);
    chip.title = `cosine to the query in ${name}; ${why.approximate ? "nearest clusters only" : "all clusters"}`;
    shown.append(chip);
  }
  for (const [column, value] of Object.entries(why.in_common)) {
    const isList = Array.isArray(value);
    const chip = element("span", "shared", isList ? `${column}: ${value.length} in common` : `same ${column}`);
    chip.title = isList ? value.slice(0, 20).join(", ") : value;
    shown.append(chip);
  }
  return shown;
}

// 128 random bits; crypto.randomUUID is only there over HTTPS and on localhost.
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A visit is a tab: its searches and events have one session_id.
function sessionId() {
  const known = sessionStorage.getItem("session") || newId();
  sessionStorage.setItem("session", known);
  return known;
}

// Events are sent a second later, together, or when the page is left.
function report(action, of) {
  if (!page.logsEvents || !of.search_id) return;
  const time = new Date().toISOString();
  page.events.push({ action, event_id: newId(), session_id: sessionId(), time, ...of });
  if (page.events.length === 1) setTimeout(sendEvents, 1000);
}

function sendEvents() {
  if (!page.events.length) return;
  const body = JSON.stringify(page.events.splice(0));
  if (!sessionStorage.getItem("key")) navigator.sendBeacon("/v1/events", body);
  else fetch("/v1/events", { method: "POST", keepalive: true, headers: { "content-type": "application/json", ...keyed() }, body });
}

// Once half of the item was in view.
function whenSeen(item, seen) {
  const look = ([entry], observer) => {
    if (!entry.isIntersecting) return;
    observer.disconnect();
    seen();
  };
  new IntersectionObserver(look, { threshold: 0.5 }).observe(item);
}

// The list of searchers shows the one whose id is typed, or none of them.
function choose() {
  const options = [...at("choice").options];
  at("choice").value = options.some((option) => option.value === at("searcher").value) ? at("searcher").value : "";
}

function restore() {
  const asked = new URLSearchParams(location.search);
  at("query").value = asked.get("q") || "";
  at("searcher").value = asked.get("searcher") || "";
  choose();
  show(at("query").value.trim(), at("searcher").value.trim());
}

async function begin() {
  const [about, known] = await Promise.all([ask("/v1/about"), ask("/v1/searchers?limit=20")]);
  page.columns = about.columns;
  page.logsEvents = about.logs_events;
  const vertical = about.vertical ? `${about.vertical}: ` : "";
  at("about").textContent = `${vertical}${about.documents.toLocaleString("en")} documents`;
  if (!about.columns.length) at("query").placeholder = "An expression, such as (and text:john text:smith)";
  if (known.total) {
    const options = known.searchers.map(({ searcher_id, label }) => new Option(label || searcher_id, searcher_id));
    at("choice").replaceChildren(new Option("choose a searcher", ""), ...options);
    at("searchers").replaceChildren(...options.map((option) => new Option(option.text, option.value)));
    at("searcher-label").hidden = false;
  }
  restore();
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
at("choice").addEventListener("change", () => {
  at("searcher").value = at("choice").value;
  search();
});
at("searcher").addEventListener("change", choose);
addEventListener("popstate", restore);
addEventListener("pagehide", sendEvents);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName)) return;
  event.preventDefault();
  at("query").select();
});
begin().catch((error) => {
  at("status").textContent = `The server does not answer: ${error.message}`;
});
