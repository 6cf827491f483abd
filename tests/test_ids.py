"""The ids of the runs that the book stores: they name files, and no change of the library may change one."""

import hashlib
import json
from functools import cache
from pathlib import Path

from replaylib.lab.records import Record, read

RESULTS = Path(__file__).resolve().parents[1] / "book" / "results"
#: Of what was stored before this day, UTC. Runs stored later may come and go. Where earlier ones are replaced because
#: their method was wrong, their ids go: give the digest of those that remain.
UNTIL = "2026-11-28T00:00:00"
DIGEST = "e2f2ed8e17e4baa9d1de53c55f983b760043b927b27ad8d62ae899b8745ae653"


@cache
def stored() -> dict[Path, Record]:
    files = [path for path in sorted(RESULTS.rglob("*.json")) if "experiment" in json.loads(path.read_text())]
    return {path: read(path) for path in files}


def test_every_file_has_its_experiments_id_as_its_name():
    assert [
        path for path, record in stored().items() if path.stem.removesuffix("-measured") != record.experiment.id
    ] == []


def test_no_id_has_changed():
    ids = {record.experiment.id for record in stored().values() if record.date < UNTIL}
    assert hashlib.sha256(" ".join(sorted(ids)).encode()).hexdigest() == DIGEST, len(ids)
