// An SVG document inside the page, where its titles answer the pointer; one that is wider than its place scrolls sideways.

function mountPicture({ data, parentElement }) {
  const root = parentElement.querySelector(".headscope");
  const { svg, description, fit } = unpack(data);
  const scrolled = root.scrollLeft + root.clientWidth >= root.scrollWidth - 4;
  root.replaceChildren(document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true));
  root.classList.toggle("fit", fit);
  root.setAttribute("aria-label", description);
  // Where its end was seen, its end stays in sight as it grows.
  if (scrolled && !fit) root.scrollLeft = root.scrollWidth;
  return () => {};
}
