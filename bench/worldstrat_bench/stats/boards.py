"""Which records may share a board, decided once for the site and for the checks of submissions."""

from __future__ import annotations

from typing import Final, Literal, get_args

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.data.split import releases
from worldstrat_bench.protocol import load_protocol, protocol_ids, same_task
from worldstrat_bench.stats.anchor import reference_of

Kind = Literal["official", "probe", "compatibility", "practice", "predictions"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


def kind_of(record: Record, references: References | None = None) -> Kind:
    """Return the kind of division that a record belongs to.

    What is to be official needs a reference of its release and protocol: without one nothing tells the real targets
    from invented ones, and the board is for practice.

    Parameters
    ----------
    references : None for those that the package ships.
    """
    return "practice" if awaits_reference(record, references) else claimed_kind(record)


def awaits_reference(record: Record, references: References | None = None) -> bool:
    """Return whether a record would be official, or a probe, if there were a reference to hold it against."""
    return claimed_kind(record) in ("official", "probe") and reference_of(record, references) is None


def claimed_kind(record: Record) -> Kind:
    """Return the kind of division that a record says it belongs to; predictions that were handed in have their own."""
    # First of all: whatever else such a record states, no model was run.
    if record.predictions is not None:
        return "predictions"
    data = record.dataset
    if not data.official or data.release not in {known.name for known in releases()} or data.inputs != "real":
        return "practice"
    if record.protocol.id not in protocol_ids() or not load_protocol(record.protocol.id).official:
        return "compatibility"
    if data.list in ("full", "clean"):
        return "official"
    # The list "strict" is a part of the test split: it shows what shared scenes do to scores.
    return "probe" if data.list == "never-split" else "practice"


def board_key(record: Record, references: References | None = None) -> tuple[str, ...]:
    """Return a key: records with the same one may be compared, those with different ones never.

    The first part is the kind, so that what was run never meets what was only handed in. The same pixels from two
    official releases share a board; practice sets never share with anything.
    """
    data = record.dataset
    release = "" if data.official else data.release
    if data.revisits is not None:
        release += f" revisits 1-{data.revisits}"  # the best of them are other frames than the best of all
    return (
        kind_of(record, references),
        record.protocol.id,
        record.protocol.sha256,
        data.inputs,
        data.list,
        data.targets_sha256,
        release,
    )


def ranking_list(record: Record) -> str:
    """Return the list that ranks a record: ``clean`` where it has it, else the one that was evaluated."""
    return "clean" if "clean" in record.scores else record.dataset.list


def foreign_inputs(record: Record) -> str:
    """Return why the model was not asked for what the protocol of the scores asks for, in words; "" if it was."""
    given = record.dataset.inputs_protocol
    if given is None or given == record.protocol:
        return ""
    if {given.id, record.protocol.id} <= set(protocol_ids()):
        asked, scored = load_protocol(given.id), load_protocol(record.protocol.id)
        if asked.sha256 == given.sha256 and same_task(asked, scored):
            return ""
    return f"its model was given the inputs of {given.id[:40]}, not those of {record.protocol.id[:40]}"
