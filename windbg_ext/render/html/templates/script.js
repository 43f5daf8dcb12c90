"use strict";
// Sorts and filters the table of dumps, and opens the details of a row below it. Without it, all rows and details are there.
document.documentElement.classList.add("live");
document.addEventListener("DOMContentLoaded", () => {
  const AT_ONCE = 200; // rows; laying out ten thousand takes seconds
  const table = document.getElementById("catalogue");
  const body = table.tBodies[0];
  const headers = Array.from(table.tHead.rows[0].cells);
  const rows = Array.from(body.rows);
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const found = document.getElementById("found");
  const more = document.getElementById("more");
  const input = document.getElementById("filter");
  const texts = new Map();
  let order = rows;
  let most = AT_ONCE;

  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = words.length ? order.filter(row => words.every(word => textOf(row).includes(word))) : order;
    body.querySelectorAll("a[aria-expanded=true]").forEach(link => link.setAttribute("aria-expanded", "false"));
    body.replaceChildren(...matches.slice(0, most));
    found.textContent = `${matches.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} ${found.dataset.noun}`;
    more.hidden = matches.length <= most;
    more.textContent = `Show all ${matches.length.toLocaleString("en")}`;
  };

  const textOf = row => {
    if (!texts.has(row)) {
      texts.set(row, row.textContent.toLowerCase());
    }
    return texts.get(row);
  };

  // What a cell is sorted by: its number where it has one, else its text.
  const keyOf = cell => cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v);

  const compare = (one, other) => {
    if (typeof one === "number" && typeof other === "number") {
      return one - other;
    }
    return collator.compare(one, other);
  };

  const sort = (column, header) => {
    const rising = header.getAttribute("aria-sort") !== "ascending";
    headers.forEach(other => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const keyed = rows.map(row => ({ row, key: keyOf(row.cells[column]) }));
    const known = keyed.filter(({ key }) => key !== "");
    known.sort((one, other) => rising ? compare(one.key, other.key) : compare(other.key, one.key));
    order = known.concat(keyed.filter(({ key }) => key === "")).map(({ row }) => row); // what is empty comes last
    show();
  };

  const toggle = (row, link) => {
    const opens = link.getAttribute("aria-expanded") !== "true";
    link.setAttribute("aria-expanded", String(opens));
    if (!opens) {
      row.nextElementSibling.remove();
      return;
    }
    const cell = document.createElement("td");
    cell.colSpan = row.cells.length;
    const article = document.getElementById(link.hash.slice(1));
    cell.append(...Array.from(article.children, child => child.cloneNode(true)));
    const details = document.createElement("tr");
    details.className = "opened";
    details.append(cell);
    row.after(details);
  };

  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(column, header));
  });
  for (const row of rows) {
    const link = row.querySelector("a");
    link.setAttribute("role", "button");
    link.setAttribute("aria-expanded", "false");
  }
  body.addEventListener("click", event => {
    const link = event.target.closest("a[role=button]");
    if (link) {
      event.preventDefault();
      toggle(link.closest("tr"), link);
    }
  });
  body.addEventListener("keydown", event => {
    if (event.key === " " && event.target.matches("a[role=button]")) {
      event.preventDefault();
      event.target.click();
    }
  });
  const showAll = () => {
    most = Infinity;
    show();
  };
  more.addEventListener("click", showAll);
  window.addEventListener("beforeprint", showAll);
  input.addEventListener("input", show);
  document.querySelector(".tools").hidden = false;
  show();
  document.documentElement.classList.add("ready");
});
