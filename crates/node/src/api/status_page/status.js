// The status page: asks the API once a second and shows what it says. The token stays in this tab.

const REFRESH_MS = 1000;
const TREND_POINTS = 60;
const DEBUG_VALUES = 20;
const TOKEN = "headwater-token";

const element = (id) => document.getElementById(id);

/** An element with properties and children; texts are never read as HTML. */
function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Figures of the last round, by name, to make rates of. */
const before = new Map();
/** The last rates of each flow, for its trend. */
const trends = new Map();

/** How much a counter grows in a second; a counter that begins anew (a new version) counts from zero. */
function rate(name, count, now) {
  const last = before.get(name);
  before.set(name, { count, now });
  if (!last || now <= last.now) return 0;
  const grown = count >= last.count ? count - last.count : count;
  return grown / ((now - last.now) / 1000);
}

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const small = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const show = (value) => (value < 100 ? small : number).format(value);

class Refused extends Error {}

async function ask(path, options = {}) {
  const headers = { authorization: `Bearer ${sessionStorage.getItem(TOKEN)}`, ...options.headers };
  const answer = await fetch(`/api/v1${path}`, { ...options, headers });
  if (answer.status === 401) throw new Refused("This token is not the node's.");
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer.json();
}

/** A setup link brings a code that is good for the token once. */
async function takeSetupCode() {
  const code = new URLSearchParams(location.hash.slice(1)).get("setup");
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/api/v1/setup", { method: "POST", headers, body: JSON.stringify({ code }) });
  const body = await answer.json();
  if (answer.ok) sessionStorage.setItem(TOKEN, body.token);
  else element("sign-in-problem").textContent = body.detail;
}

function showNode(node, now) {
  document.title = `${node.name} – Headwater`;
  element("name").textContent = node.name;
  const { mqtt, mqtt_ws, endpoints } = node.listeners;
  element("listeners").textContent = `Headwater ${node.version} · MQTT ${mqtt} · WebSocket ${mqtt_ws} · endpoints ${endpoints}`;
  const cpu = rate("cpu", node.process.cpu_s, now) * 100;
  const tiles = [
    [show(rate("received", node.broker.messages_received, now)), "messages in per second"],
    [show(rate("sent", node.broker.messages_sent, now)), "messages out per second"],
    [show(node.broker.connections), "MQTT connections"],
    [number.format(node.broker.messages_dropped), "messages dropped"],
    [`${small.format(cpu)} %`, "of one processor"],
    [`${small.format(node.process.resident_bytes / 1048576)} MiB`, "memory"],
    [span(node.uptime_s), "since the start"],
  ];
  element("tiles").replaceChildren(
    ...tiles.map(([value, what]) => make("div", { className: "tile" }, make("b", {}, value), make("span", {}, what))),
  );
}

function span(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

function showFlows(flows, now) {
  element("no-flows").hidden = flows.length > 0;
  for (const id of trends.keys()) if (!flows.some((flow) => flow.id === id)) trends.delete(id);
  element("flows").replaceChildren(...flows.flatMap((flow) => rows(flow, now)));
}

function rows(flow, now) {
  const figures = flow.figures;
  const isFirst = !before.has(`flow ${flow.id}`);
  const messages = figures ? rate(`flow ${flow.id}`, figures.begun, now) : 0;
  // The first round knows no rate yet.
  const points = isFirst ? [] : [...(trends.get(flow.id) ?? []), messages].slice(-TREND_POINTS);
  trends.set(flow.id, points);
  const cell = (value) => make("td", { className: "number" }, value === undefined ? "" : String(value));
  const row = make(
    "tr",
    {},
    make("th", { scope: "row" }, flow.name, flow.name === flow.id ? "" : make("small", {}, flow.id)),
    make("td", {}, make("span", { className: `pill ${flow.status}` }, flow.status)),
    cell(flow.version),
    cell(figures && show(messages)),
    make("td", {}, trend(points)),
    cell(figures && number.format(figures.failed)),
    cell(figures && number.format(figures.dropped)),
    cell(figures && number.format(figures.waiting)),
  );
  const why = flow.text || lastError(figures);
  return why ? [row, make("tr", {}, make("td", { className: "why", colSpan: 8 }, why))] : [row];
}

function lastError(figures) {
  const failing = figures?.modules.find((module) => module.last_error);
  return failing ? `${failing.id}: ${failing.last_error} (${number.format(failing.errors)} times)` : "";
}

function trend(points) {
  const name = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(name, "svg");
  const line = document.createElementNS(name, "polyline");
  const most = Math.max(1, ...points);
  const shift = TREND_POINTS - points.length;
  line.setAttribute("points", points.map((point, at) => `${shift + at},${24 - (22 * point) / most}`).join(" "));
  svg.setAttribute("class", "trend");
  svg.setAttribute("viewBox", `0 0 ${TREND_POINTS - 1} 26`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(line);
  return svg;
}

async function showDebug(flows) {
  const showing = flows.filter((flow) => flow.figures?.modules.some((module) => module.type === "debug"));
  const lists = await Promise.all(
    showing.map(async (flow) => {
      const { values } = await ask(`/flows/${encodeURIComponent(flow.id)}/debug`);
      return values.map((value) => ({ ...value, flow: flow.id }));
    }),
  );
  const last = lists.flat().sort((one, other) => other.at.localeCompare(one.at)).slice(0, DEBUG_VALUES);
  element("no-debug").hidden = last.length > 0;
  const line = (value) =>
    make(
      "tr",
      {},
      make("td", {}, new Date(value.at).toLocaleTimeString()),
      make("td", {}, `${value.flow} · ${value.module}`),
      make("td", {}, make("code", {}, JSON.stringify(value.value))),
    );
  element("debug").replaceChildren(...(last.length ? [make("table", {}, make("tbody", {}, ...last.map(line)))] : []));
}

async function refresh() {
  const [node, { flows }] = await Promise.all([ask("/node"), ask("/flows")]);
  const now = performance.now();
  showNode(node, now);
  showFlows(flows, now);
  await showDebug(flows);
}

function signIn(problem = "") {
  sessionStorage.removeItem(TOKEN);
  if (problem) element("sign-in-problem").textContent = problem;
  element("status").hidden = true;
  element("sign-in").hidden = false;
  element("token").focus();
}

async function run() {
  const connection = element("connection");
  while (sessionStorage.getItem(TOKEN)) {
    try {
      if (!document.hidden) await refresh();
      element("status").hidden = false;
      element("sign-in").hidden = true;
      connection.textContent = "";
      connection.className = "";
    } catch (error) {
      if (error instanceof Refused) return signIn(error.message);
      connection.textContent = "The node does not answer; trying again";
      connection.className = "lost";
    }
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
  signIn();
}

element("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, element("token").value.trim());
  element("token").value = "";
  element("sign-in-problem").textContent = "";
  run();
});

await takeSetupCode().catch(() => {});
run();
