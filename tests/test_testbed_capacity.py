"""What a machine holds, and the one line that refuses more, by small machines made for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muster import contract
from muster.errors import BadInput
from muster.machine import Machine, measured
from muster.testbed.design.capacity import BYTES_BASE, BYTES_PER_STREAM, capacity, check
from muster.testbed.design.shape import Limits, shape

M3 = contract.load().profiles["m3_20k"]
BIG = Machine(open_files=20_000, ports=28_232, memory_bytes=24 << 30, cores=2)


def limits(machine: Machine) -> Limits:
    """The limits of a testbed on that machine."""
    return Limits(fds_max=min(20_000, machine.open_files), ports=machine.ports)


def test_two_cores_hold_what_was_measured_and_one_does_not() -> None:
    """All of m3_20k on two cores, half of it on one."""
    one = replace(BIG, cores=1)
    with pytest.raises(BadInput, match=r"at most 0\.5 on this machine: 20,000 streams"):
        check(M3, 1.0, one, limits(one))
    fits = check(M3, 1.0, BIG, limits(BIG))
    assert fits.streams >= M3.streams
    assert "open files" in fits.line()
    assert "cores" in fits.line()


@pytest.mark.parametrize(
    ("limit", "machine"),
    [
        ("open files", replace(BIG, open_files=2_000)),
        ("ports", replace(BIG, ports=2_000)),
        ("memory", replace(BIG, memory_bytes=BYTES_BASE + 2_600 * BYTES_PER_STREAM)),
        ("cores", replace(BIG, cores=0)),
    ],
)
def test_each_limit_refuses_more_than_it_holds_and_names_the_largest_scale(
    limit: str, machine: Machine
) -> None:
    """One line with what was asked, what fits and why; the scale that it names is then taken."""
    fits = capacity(machine, limits(machine))
    assert fits.bound_by == limit
    with pytest.raises(
        BadInput, match=rf"^--scale: got 1.0, expected at most .*\({limit}\)$"
    ) as got:
        check(M3, 1.0, machine, limits(machine))
    assert "\n" not in str(got.value)
    largest = float(got.value.expected.split()[2])
    assert largest == pytest.approx(fits.streams / M3.streams, abs=0.001)
    if largest:
        check(M3, largest, machine, limits(machine))
        shape(M3, largest, limits(machine))


def test_one_stream_more_than_fits_is_refused() -> None:
    """The bound itself is taken, the next stream is not."""
    machine = replace(BIG, cores=1)
    check(M3, 0.5, machine, limits(machine))
    with pytest.raises(BadInput, match=r"at most 0\.5 on this machine: 10,001 streams"):
        check(M3, 10_001 / 20_000, machine, limits(machine))


def test_fewer_open_files_make_more_processes() -> None:
    """The shape follows the machine."""
    few = replace(BIG, open_files=2_000)
    assert shape(M3, 0.24, limits(few)).gateways_per_region > 4
    tight = Limits(fds_max=350, gateways_max=1000)
    assert shape(M3, 0.24, tight).toxiproxies_per_region > 1
    assert shape(M3, 0.24, limits(BIG)).toxiproxies_per_region == 1


def test_big_loads_are_reached_at_several_addresses() -> None:
    """No destination gets more connections than its source ports allow with ease."""
    assert shape(M3, 0.1).addresses_per_region == 1
    assert shape(M3, 1.0).addresses_per_region == 4
    assert shape(M3, 0.1, Limits(ports=2_000)).addresses_per_region == 5


def test_this_machine_is_measured() -> None:
    """Every limit is known and positive."""
    found = measured()
    assert min(found.open_files, found.ports, found.memory_bytes, found.cores) > 0
