// A page of its own: the component is mounted once with the message that stands in the page.
const encoded = atob(document.getElementById("message").textContent);
const bytes = Uint8Array.from(encoded, (character) => character.charCodeAt(0));
mount({ data: bytes, parentElement: document.querySelector("main"), setTriggerValue: () => {} });
