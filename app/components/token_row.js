// The tokens of a sentence as boxes with their numbers in the vocabulary under them.

function mountTokenRow({ data, parentElement }) {
  const root = parentElement.querySelector(".headscope");
  const { tokens, ids, kinds } = unpack(data);
  root.querySelector(".tokens").replaceChildren(
    ...tokens.map((text, position) => {
      const token = document.createElement("span");
      token.className = `token ${kinds[position]}`;
      token.setAttribute("role", "listitem");
      token.title = `position ${position}`;
      const box = document.createElement("b");
      box.textContent = text;
      const number = document.createElement("small");
      number.textContent = ids[position] ?? "";
      token.append(box, number);
      return token;
    }),
  );
  return () => {};
}
