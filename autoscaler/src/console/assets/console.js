// Renews the sections of a page as the server sends them, while the page is looked at. Without
// this script the page reloads itself every few seconds and shows the same.
"use strict";

const policy = window.trustedTypes
  ? trustedTypes.createPolicy("minicloud", { createHTML: (html) => html })
  : { createHTML: (html) => html };
const connection = document.getElementById("connection");
let stream = null;

function say(text, isBad) {
  connection.textContent = text;
  connection.classList.toggle("bad", isBad);
  connection.hidden = false;
}

// Puts a section in its place; what a reader has opened, scrolled or focused stays so.
function renew(section, html) {
  const open = new Set(Array.from(section.querySelectorAll("details[open]"), (it) => it.id));
  const focused = section.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && Array.from(section.querySelectorAll(focused.tagName)).indexOf(focused);
  const scrolled = Array.from(section.querySelectorAll(".scroll, .log"), (it) => [
    it.scrollLeft,
    it.scrollTop,
    it.scrollTop + it.clientHeight >= it.scrollHeight - 4,
  ]);
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  section.replaceChildren(template.content);
  for (const details of section.querySelectorAll("details")) {
    details.open = open.has(details.id);
  }
  section.querySelectorAll(".scroll, .log").forEach((it, index) => {
    const [left, top, atEnd] = scrolled[index] || [0, 0, true];
    it.scrollLeft = left;
    // A log that is read at its end goes on at its end.
    it.scrollTop = atEnd && it.classList.contains("log") ? it.scrollHeight : top;
  });
  if (focused) {
    section.querySelectorAll(focused.tagName)[place]?.focus({ preventScroll: true });
  }
}

// Says what a chart's table has of the moment under the pointer.
let pointer = null;
function readOut() {
  const chart = pointer && document.elementFromPoint(pointer.x, pointer.y)?.closest(".chart");
  document.querySelectorAll(".readout").forEach((it) => (it.textContent = ""));
  const drawing = chart?.querySelector("svg");
  const box = drawing?.getBoundingClientRect();
  if (!box || pointer.y > box.bottom || pointer.y < box.top) return;
  const age = chart.dataset.span * (1 - (pointer.x - box.left) / box.width);
  const rows = Array.from(chart.querySelectorAll("tr[data-age]"));
  const distance = (row) => Math.abs(row.dataset.age - age);
  const nearest = rows.reduce((best, row) => (!best || distance(row) < distance(best) ? row : best), null);
  if (!nearest || distance(nearest) > chart.dataset.span / 20) return;
  const names = Array.from(chart.querySelectorAll("thead th"), (it) => it.textContent);
  const cells = Array.from(nearest.cells, (it) => it.textContent);
  const said = cells.slice(1, 6).map((cell, index) => `${names[index + 1]} ${cell}`);
  chart.querySelector(".readout").textContent = `${cells[0]}: ${said.join(", ")}`;
}
addEventListener("pointermove", (event) => {
  pointer = { x: event.clientX, y: event.clientY };
  readOut();
});

function follow() {
  if (stream) return;
  stream = new EventSource(location.pathname + location.search);
  stream.addEventListener("open", () => say("live", false));
  stream.addEventListener("section", (event) => {
    const { id, html } = JSON.parse(event.data);
    const section = document.getElementById(id);
    // What somebody marks to copy is not taken from under the mouse.
    const selection = getSelection();
    const isMarked = section && !selection.isCollapsed && selection.containsNode(section, true);
    if (!section || isMarked) return;
    renew(section, html);
    readOut();
  });
  stream.addEventListener("look", () => say("live", false));
  stream.addEventListener("error", () => {
    say(`connection lost at ${new Date().toLocaleTimeString()}, trying again`, true);
    // A refusal ends the stream for good: come back after a while.
    if (stream.readyState === EventSource.CLOSED) {
      stop();
      setTimeout(() => document.hidden || follow(), 3000);
    }
  });
}

function stop() {
  stream?.close();
  stream = null;
}

// Nobody looks at a hidden page, and a browser has few connections for all of them.
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : follow()));
addEventListener("pagehide", stop);
addEventListener("pageshow", follow);
document.querySelectorAll(".log").forEach((it) => (it.scrollTop = it.scrollHeight));
follow();
