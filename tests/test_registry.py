"""Every model type of the installed transformers is recorded as docs/architectures.md says, and equals eager weights."""

import pytest

from tests.architectures_table import KINDS, rows
from tests.registry_models import model_types
from tests.registry_outcomes import outcome

ROWS = rows()


@pytest.mark.parametrize("model_type", [name for name, kind in ROWS.items() if kind != "not run"])
@pytest.mark.filterwarnings("ignore")
def test_recorded_as_the_table_says(model_type):
    found = outcome(model_type)
    assert found.kind == ROWS[model_type], found.note


def test_table_has_every_model_type():
    assert set(ROWS) == set(model_types())
    assert set(ROWS.values()) <= set(KINDS)


def test_enough_architectures_are_covered():
    kinds = list(ROWS.values())
    assert kinds.count("lazy") >= 110
    assert kinds.count("lazy") + kinds.count("dense") >= 150
