"""How long the property tests search: a few examples, the same each time, unless HEADSCOPE_FUZZ says how many.

HEADSCOPE_FUZZ=10000 python -m pytest tests/test_fuzz_text.py --timeout=0 --hypothesis-show-statistics
"""

import os

from hypothesis import HealthCheck, settings

CI_EXAMPLES = 25
EXAMPLES = int(os.environ.get("HEADSCOPE_FUZZ", CI_EXAMPLES))

settings.register_profile(
    "headscope",
    max_examples=EXAMPLES,
    deadline=None,
    # Without a count of its own a test is the same on every machine; with one it looks further each time.
    derandomize="HEADSCOPE_FUZZ" not in os.environ,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.load_profile("headscope")


def slow(share: int, least: int = 5) -> settings:
    """Return the settings of a test that is `share` times slower than the others: so many times fewer examples."""
    return settings(max_examples=max(least, EXAMPLES // share))
