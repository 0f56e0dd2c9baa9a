// Marks the section in view in the navigation, opens what a link points into, and loads every figure for printing.
"use strict";
const links = new Map([...document.querySelectorAll("nav ol a")].map((a) => [a.hash.slice(1), a]));
const seen = new Set();
const watcher = new IntersectionObserver((entries) => {
  entries.forEach((e) => (e.isIntersecting ? seen.add(e.target.id) : seen.delete(e.target.id)));
  const here = [...links.keys()].find((id) => seen.has(id));
  if (!here) return;
  links.forEach((a, id) => a.classList.toggle("here", id === here));
  const nav = document.querySelector("nav");
  nav.scrollTo({ left: links.get(here).offsetLeft - 24 });
}, { rootMargin: "-12% 0px -70% 0px" });
document.querySelectorAll("section").forEach((section) => watcher.observe(section));

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let e = target; e; e = e.parentElement) {
    if (e.tagName === "DETAILS") e.open = true;
    if (e.classList.contains("panel")) {
      const siblings = [...e.parentElement.querySelectorAll(":scope > .panel")];
      e.parentElement.querySelectorAll(":scope > input")[siblings.indexOf(e)].checked = true;
    }
  }
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();
addEventListener("beforeprint", () => document.querySelectorAll("img").forEach((img) => { img.loading = "eager"; }));
