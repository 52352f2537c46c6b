"""A short run of every fuzzer, and of the harness on a reader with known faults."""

import pytest

from tests.helpers.faulty_reader import FAULTS
from tests.helpers.fuzzing import FAILURES, failures, fuzzers, verdicts


@pytest.mark.slow
def test_the_harness_finds_every_kind_of_fault():
    found = verdicts("tests.helpers.faulty_reader", n=30, seconds=3, megabytes=200)
    assert [r["i"] for r in found] == list(range(30))
    assert {r["kind"] for r in found} == set(FAULTS)
    assert [r["verdict"] for r in found] == [r["kind"] for r in found]
    assert {r["verdict"] for r in failures(found)} == set(FAILURES)


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzzers())
def test_mutated_inputs_are_read_or_refused(name):
    assert failures(verdicts(name, n=12, seed=1)) == []
