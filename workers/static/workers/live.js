// The live page: asks for what is new every few seconds while somebody can see it, and shows it.
"use strict";

const root = document.getElementById("live");
const options = JSON.parse(document.getElementById("live-options").textContent);
const parts = Object.fromEntries(["state", "freeze", "banner", "tiles", "empty", "charts", "writer"].map((name) => [name, document.getElementById(`live-${name}`)]));
const charts = makeCharts(parts.charts, options);

const LONGEST_PAUSE = 20;
const GIVEN_UP = 8_000; // a response that has not come after so many milliseconds

let columns = null; // of all slots that are known, by name
let newest = 0;
let frozen = false; // this page alone: nothing is asked for, and the writer goes on
let over = false; // nothing more will come: the session is over
let timer = 0;
let errors = 0;
let asking = false;
let written = null; // PostgreSQL's log: how much and when

async function ask() {
  clearTimeout(timer);
  if (asking || frozen || over || document.hidden) return;
  asking = true;
  try {
    const response = await fetch(`${root.dataset.url}?since=${newest}`, {
      headers: { Accept: "application/json" }, redirect: "error", signal: AbortSignal.timeout(GIVEN_UP),
    });
    const told = await response.json();
    if (frozen) return; // while this was under way
    if (response.ok) show(told);
    else refuse(response.status, told.detail);
  } catch (error) {
    if (!frozen) lose("The service does not respond", "No response came. Is it running, and can it be reached from here?");
  } finally {
    asking = false;
  }
  if (!over && !frozen) timer = setTimeout(ask, 1000 * Math.min(options.poll * 2 ** errors, LONGEST_PAUSE));
}

function refuse(status, detail) {
  if (status === 401 || status === 403) {
    over = true;
    const link = element("a", { href: root.dataset.login }, "Log in again");
    lose(detail, ...(status === 401 ? [link, " to go on."] : ["Ask an administrator for the permission."]));
    parts.freeze.hidden = true;
  } else {
    lose(status === 503 ? "Nothing can be measured" : `The service responded with an error (${status})`, detail ?? "");
  }
}

function lose(title, ...content) {
  errors = Math.min(errors + 1, 5);
  root.classList.add("live-stale");
  banner(title, [element("p", {}, ...content)]);
  state(over ? "Ended" : "Interrupted; trying again");
}

function show(told) {
  errors = 0;
  root.classList.remove("live-stale");
  keep(told.slots);
  const reasons = Object.entries(told.obstacles);
  const warnings = Object.entries(told.warnings).map(([part, text]) => `${part}: ${text}`);
  if (reasons.length) banner("Not ready", [element("ul", {}, ...reasons.map(([part, text]) => element("li", {}, `${part}: ${text}`)))]);
  else banner("", []);
  state(reasons.length ? "Not ready" : warnings.length ? `Ready. Soon in the way: ${warnings.join(" ")}` : "Ready: writes are committed");
  root.dataset.ready = String(!reasons.length);
  if (columns && told.slots.begins.length) drawCharts();
  showTiles(told);
  showWriter(told);
}

// Only when it differs: what is set anew is read out anew.
function state(text) {
  if (parts.state.textContent !== text) parts.state.textContent = text;
}

function banner(title, content) {
  const made = title ? [element("strong", {}, title), ...content] : [];
  const text = made.map((one) => one.textContent).join("");
  if (parts.banner.textContent === text) return;
  parts.banner.replaceChildren(...made);
  parts.banner.hidden = !title;
}

function keep(slots) {
  if (!slots.begins.length) return;
  const follows = columns && slots.begins[0] === newest + options.slot;
  const most = options.history / options.slot;
  columns = Object.fromEntries(Object.entries(slots).map(([name, values]) =>
    [name, (follows ? [...columns[name], ...values] : values).slice(-most)]));
  columns.ends = columns.begins.map((second) => second + options.slot);
  newest = columns.begins.at(-1);
}

function drawCharts() {
  const isEmpty = columns.waiting.every((value) => value === null) && columns.committed.every((value) => value === null);
  parts.empty.hidden = !isEmpty;
  parts.charts.hidden = isEmpty;
  if (!isEmpty) charts.forEach((chart) => chart.show(columns));
}

function last(name) {
  return columns ? columns[name].at(-1) : null;
}

function showTiles(told) {
  const done = told.totals;
  tiles([
    ["Waiting", shown("count", told.waiting), told.oldest === null || !told.waiting ? "none waits" : `oldest ${shown("seconds", told.oldest)}`],
    ["Writes", shown("rate", last("committed")), `${shown("rate", last("commits")).replace("/s", "")} commits/s`],
    ["In a batch", shown("count", last("batch_mean")), `largest ${shown("count", last("batch_largest"))}`],
    ["Wait p99", shown("seconds", last("wait_p99")), `p50 ${shown("seconds", last("wait_p50"))}`],
    ["Commit p99", shown("seconds", last("commit_p99")), `apply ${shown("seconds", last("apply_p99"))}`],
    ["Committed", shown("count", done.committed), `${shown("count", done.rejected)} rejected, ${shown("count", done.failed)} failed`],
    ["Redis", shown("bytes", last("redis_bytes")), "memory"],
    options.isFile
      ? ["Log (WAL)", shown("bytes", last("log_bytes")), `emptied from ${shown("bytes", options.logLimit)}`]
      : ["Log (WAL)", logRate(told.log_written), "written by PostgreSQL"],
  ]);
}

function logRate(bytes) {
  const now = performance.now() / 1000;
  const before = written;
  written = bytes === null ? null : { bytes, now };
  return before && written ? `${shown("bytes", (bytes - before.bytes) / (now - before.now))}/s` : "–";
}

function tiles(rows) {
  if (!parts.tiles.children.length) {
    parts.tiles.append(...rows.map(([name]) => element("div", {}, element("dt", {}, name), element("dd", {}), element("dd", { class: "live-more" }))));
  }
  rows.forEach(([, value, more], i) => {
    const [, first, second] = parts.tiles.children[i].children;
    first.textContent = value;
    second.textContent = more;
  });
}

function showWriter({ writer, lease, standbys, pause, totals }) {
  const rows = writer ? [
    ["At work", `pid ${writer.pid} on ${writer.host}, since ${moment(writer.since)}`],
    ["Last commit", writer.committed_at === null ? "none yet" : moment(writer.committed_at)],
    ["Committed by it", `${counted(writer.writes, "write")} in ${counted(writer.commits, "transaction")}`],
  ] : [["At work", "none"]];
  rows.push(["Lease held by", lease ?? "nobody"],
    ["Standing by", standbys.map((name) => name.replace(/^(.*):(\d+)$/, "pid $2 on $1")).join("; ") || "nobody: nobody takes over when the writer dies"],
    ["Pause", pause ? `${pause.by}, until ${moment(pause.until)} at the latest` : "none"]);
  if (totals.since !== null) {
    rows.push(["In all", `${shown("count", totals.committed)} committed, ${shown("count", totals.rejected)} rejected, ${shown("count", totals.failed)} failed since ${moment(totals.since)}, through ${counted(totals.starts, "start")} of a writer`]);
  }
  parts.writer.replaceChildren(...rows.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value))));
}

function counted(count, one) {
  return `${shown("count", count)} ${one}${count === 1 ? "" : "s"}`;
}

function moment(seconds) {
  const date = new Date(seconds * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? date.toLocaleTimeString("en-GB") : `${date.toLocaleDateString("en-CA")} ${date.toLocaleTimeString("en-GB")}`;
}

parts.freeze.addEventListener("click", () => {
  frozen = !frozen;
  parts.freeze.textContent = frozen ? "Unfreeze" : "Freeze"; // what it does: not pressed or unpressed besides
  root.classList.toggle("live-frozen", frozen);
  if (frozen) state(`Frozen at ${new Date().toLocaleTimeString("en-GB")}`);
  else ask();
});
document.addEventListener("visibilitychange", ask);
ask();
