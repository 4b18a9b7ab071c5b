"use strict";

// ---- Tables are sorted by a click, or by Enter on the name of a column ----

function compare(a, b) {
  const x = Number(a), y = Number(b);
  if (a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b);
}

// Infinity is written "inf" by Python.
const key = cell => cell.dataset.sort.replace("inf", "Infinity");

function sort(head, column) {
  const headers = [...head.children], body = head.closest("table").tBodies[0];
  const up = headers[column].getAttribute("aria-sort") !== "ascending";
  const lines = [...body.rows].sort((a, b) =>
    (up ? 1 : -1) * compare(key(a.cells[column]), key(b.cells[column])));
  body.append(...lines);
  for (const header of headers) header.removeAttribute("aria-sort");
  headers[column].setAttribute("aria-sort", up ? "ascending" : "descending");
  document.getElementById("sorted").textContent =
    `Sorted by ${headers[column].textContent}, ${up ? "ascending" : "descending"}.`;
}

for (const head of document.querySelectorAll("thead tr")) {
  [...head.children].forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => sort(head, column));
  });
}

// ---- Pictures are enlarged ----

const large = document.getElementById("large");
for (const button of document.querySelectorAll(".picture")) {
  button.addEventListener("click", () => {
    const small = button.querySelector("img"), image = large.querySelector("img");
    image.src = small.src;
    image.alt = small.alt;
    large.showModal();
  });
}
large.addEventListener("click", event => {
  if (event.target === large) large.close();
});

// ---- A claim that a link leads to, and all of them in print, are open ----

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", open);
open();
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
