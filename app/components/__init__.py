"""Canvas components: HTML, CSS and JavaScript beside the Python that fills them; no build step, no network."""
