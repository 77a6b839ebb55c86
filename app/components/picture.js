// An SVG document inside the page, where its titles answer the pointer; one that is wider than its place scrolls sideways.

const LEAST_TYPE = 12;

/** The width in CSS pixels below which the smallest text of a document could not be read. */
function leastWidth(svg) {
  const sizes = [...svg.querySelectorAll("text")].map((text) => parseFloat(text.getAttribute("font-size"))).filter(Boolean);
  return sizes.length ? (svg.viewBox.baseVal.width * LEAST_TYPE) / Math.min(...sizes) : 0;
}

function mountPicture({ data, parentElement }) {
  const root = parentElement.querySelector(".headscope");
  const { svg, description, fit } = unpack(data);
  const scrolled = root.scrollLeft + root.clientWidth >= root.scrollWidth - 4;
  root.replaceChildren(document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true));
  root.classList.toggle("fit", fit);
  root.firstElementChild.style.minWidth = fit ? `${Math.ceil(leastWidth(root.firstElementChild))}px` : "";
  root.setAttribute("aria-label", description);
  // Where its end was seen, its end stays in sight as it grows.
  if (scrolled && !fit) root.scrollLeft = root.scrollWidth;
  return () => {};
}
