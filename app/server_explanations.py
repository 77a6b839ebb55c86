"""User-facing prose about waiting, cancelling and what a public server allows; no code."""

WAITING = "Waiting: {before} before you"
WAITING_FOR_THE_SAME = "{doing} (already under way)"
CANCELLED = "Cancelled. What you typed is kept."
RUN_AGAIN = "Run again"
TOO_MANY_REQUESTS = "This server runs at most {most} requests a minute for each visitor. Wait a moment, then try again."
MODELS_LISTED = "This server shows only these models: {models}. Choose one of them."
MODEL_AS_IT_IS = (
    "This server chooses revision, device and number type itself. Leave them as they are, or run Headscope yourself."
)
UPLOAD_TOO_LARGE = "“{name}” has {megabytes:.1f} MB, and this server takes files of at most {most} MB."
PUBLIC = (
    "A public server: texts of at most {tokens} tokens, files of at most {megabytes} MB, {requests} requests a minute."
)
