"use strict";
// A convenience: without it the page says the same.
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

const find = document.getElementById("find");
if (find) {
  find.closest("label").hidden = false;
  find.oninput = () => {
    const words = find.value.toLowerCase().split(/\s+/);
    for (const group of all(".matrix tbody")) {
      const rows = all("tr[data-find]", group);
      const found = rows.filter((row) => words.every((word) => row.dataset.find.includes(word)));
      for (const row of rows) row.classList.toggle("unfound", !found.includes(row));
      group.classList.toggle("unfound", !found.length);
    }
  };
}

const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", reveal);
reveal();

let opened = [];
addEventListener("beforeprint", () => {
  opened = all("details:not([open])");
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of opened) one.open = false;
});

// The points of a path: each part begins absolute and goes on relative.
const read = (path) => {
  const points = [];
  for (const part of path.getAttribute("d").split("M").slice(1)) {
    const numbers = part.match(/-?\d*\.?\d+/g).map(Number);
    let [x, y] = numbers;
    points.push([x, y]);
    for (let i = 2; i + 1 < numbers.length; i += 2) points.push([(x += numbers[i]), (y += numbers[i + 1])]);
  }
  return { name: path.dataset.name, step: +path.dataset.step, points };
};
const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });
const moment = (seconds) =>
  new Date(seconds * 1000).toLocaleString("en-GB", {
    weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: document.body.dataset.zone || "UTC",
  });

for (const plot of all("svg.plot")) {
  const data = plot.querySelector("svg.data");
  const out = plot.closest("figure")?.querySelector(".read");
  if (!data || !out) continue;
  const [low, high, start, end] = ["low", "high", "start", "end"].map((name) => +data.dataset[name]);
  const height = +data.getAttribute("height");
  const top = +data.getAttribute("y");
  let paths, line, at;
  const say = ({ name, step, points }) => {
    const x = points.reduce((best, [x]) => (Math.abs(x - at) < Math.abs(best - at) ? x : best), Infinity);
    if (!(Math.abs(x - at) <= step)) return "";
    const values = points.filter((point) => Math.abs(point[0] - x) < 0.06).map(([, y]) => high - (y / height) * (high - low));
    const [least, most] = [number(Math.min(...values)), number(Math.max(...values))];
    return `${name} ${least === most ? most : `${least} – ${most}`} ${plot.dataset.unit ?? ""}`.trim();
  };
  const show = (x) => {
    paths ??= all("path[data-name]", data).map(read);
    at = Math.min(1000, Math.max(0, x));
    line ??= plot.appendChild(document.createElementNS(plot.namespaceURI, "line"));
    const place = `${at / 10}%`;
    for (const [key, value] of Object.entries({ class: "cursor", x1: place, x2: place, y1: top, y2: top + height }))
      line.setAttribute(key, value);
    const time = start + (at / 1000) * (end - start);
    out.textContent = `${((time - start) / 3600).toFixed(1)} h, ${moment(time)}: ${paths.map(say).filter(Boolean).join("; ") || "no data"}`;
  };
  const hide = () => {
    line?.remove();
    line = undefined;
    out.textContent = "";
  };
  plot.onpointermove = (event) => {
    const box = plot.getBoundingClientRect();
    show(((event.clientX - box.left) / box.width) * 1000);
  };
  plot.onpointerleave = plot.onblur = hide;
  plot.onkeydown = (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const step = (+data.querySelector("path[data-step]")?.dataset.step || 5) * (event.shiftKey ? 12 : 1);
    show(at === undefined ? (way > 0 ? step / 2 : 1000 - step / 2) : at + way * step);
  };
}
