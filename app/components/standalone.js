// A page of its own: the component is mounted once with the message that stands in the page, compressed.
const encoded = atob(document.getElementById("message").textContent);
const packed = Uint8Array.from(encoded, (character) => character.charCodeAt(0));
const opened = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const data = new Uint8Array(await new Response(opened).arrayBuffer());
mount({ data, parentElement: document.querySelector("main"), setTriggerValue: () => {}, alone: true });
