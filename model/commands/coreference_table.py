"""Coreference results as text for a terminal."""

from collections.abc import Iterator

from model.coreference_records import Accuracy, CoreferenceResults, Difference, HeldOut, Measured, SetResult

BEST_HEADS = 10


def table(results: CoreferenceResults) -> str:
    """Return the results in plain columns: the held-out head against the baselines, groups, best heads and largest gaps."""
    lines = [f"{results.model} ({results.revision}), attention {results.direction}"]
    for name, found in results.sets.items():
        lines += ["", *_set_lines(name, found)]
    for run in results.runs:
        lines += ["", f"{run.set}: {run.seconds:.1f} s on {run.device} in {run.dtype}"]
    return "\n".join(lines)


def _set_lines(name: str, found: SetResult) -> Iterator[str]:
    title = f"{name}: {found.n} examples of {found.clusters} templates or pages"
    yield title
    yield "-" * len(title)
    yield from (f"left out: {count} ({reason})" for reason, count in found.left_out.items())
    yield from (f"note: {warning}" for warning in found.warnings)
    if found.held_out is not None:
        yield from _held_out_lines(found.held_out)
        agreement = found.of_head(found.held_out.layer, found.held_out.head).agreement
        yield from (
            f"  on all examples it chooses the {name} candidate in {share:.1%}" for name, share in agreement.items()
        )
    yield ""
    yield f"Best heads on all examples (chosen and measured on the same, so partly luck; {len(found.heads)} heads)"
    yield from (_row(head.name, head) for head in found.best(BEST_HEADS))
    yield from (_row(f"{baseline} candidate", measured) for baseline, measured in found.baselines.items())
    if found.largest_gaps:
        yield ""
        yield "Largest stereotype gaps, accuracy(pro) - accuracy(anti)"
        yield from (f"  {head.name:<20}{_difference(head.gap)}" for head in found.largest_gaps)


def _held_out_lines(head: HeldOut) -> Iterator[str]:
    yield ""
    yield f"Head {head.name}, chosen on the first half of the clusters ({_accuracy(head.chosen_on)}), on the second half:"
    yield _row(head.name, head)
    for name, measured in head.baselines.items():
        yield f"{_row(f'{name} candidate', measured)}   ahead by {_difference(head.ahead[name])}"
    for group, values in head.by_group.items():
        yield f"  by {group}"
        yield from (f"    {value:<18}{_accuracy(accuracy)}" for value, accuracy in values.items())


def _row(name: str, measured: Measured) -> str:
    gap = "" if measured.gap is None else f"   gap {_difference(measured.gap)}"
    return f"  {name:<20}{_accuracy(measured)}{gap}"


def _accuracy(measured: Accuracy) -> str:
    low, high = measured.interval
    return f"{measured.accuracy:.3f} [{low:.3f}, {high:.3f}] n={measured.n}"


def _difference(difference: Difference) -> str:
    low, high = difference.interval
    return f"{difference.value:+.3f} [{low:+.3f}, {high:+.3f}]"
