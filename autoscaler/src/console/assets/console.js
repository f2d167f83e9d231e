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
    if (section && !isMarked) renew(section, html);
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
