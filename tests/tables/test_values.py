"""Values as Python has them: none is changed, and none makes an answer fail."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from alicorn.reporting.json_text import to_json
from alicorn.tables import python_values


@pytest.mark.parametrize(
    ("count", "kind", "value", "shown"),
    [
        (1_000, pa.timestamp("ns"), datetime.datetime(1970, 1, 1, microsecond=1), "1970-01-01T00:00:00.000001"),
        (1_001, pa.timestamp("ns"), np.datetime64(1_001, "ns"), "1970-01-01T00:00:00.000001001"),
        (1_001, pa.timestamp("ns", "UTC"), np.datetime64(1_001, "ns"), "1970-01-01T00:00:00.000001001"),
        (1_001, pa.time64("ns"), "00:00:00.000001001", "00:00:00.000001001"),
        (2_000, pa.time64("ns"), datetime.time(microsecond=2), "00:00:00.000002"),
        (-1_001, pa.duration("ns"), np.timedelta64(-1_001, "ns"), "-P0DT0.000001001S"),
        (86_400_500, pa.duration("ms"), datetime.timedelta(days=1, milliseconds=500), "P1DT0.5S"),
        # What was stored before such times were refused.
        (2**63 - 1, pa.timestamp("us"), np.datetime64(2**63 - 1, "us"), "294247-01-10T04:00:54.775807"),
        (2**62, pa.duration("s"), np.timedelta64(2**62, "s"), "P53375995583650DT27904S"),
        (0, pa.timestamp("us", "Mars/Olympus"), np.datetime64(0, "us"), "1970-01-01T00:00:00.000000"),
    ],
    ids=str,
)
@pytest.mark.parametrize("wrap", [lambda kind: kind, pa.list_, lambda kind: pa.struct([("at", kind)])], ids=range(3))
def test_a_time_is_shown_exactly_at_every_depth(count, kind, value, shown, wrap):
    whole = wrap(kind)
    inside = [count] if pa.types.is_list(whole) else {"at": count} if pa.types.is_struct(whole) else count
    wanted = [value] if isinstance(inside, list) else {"at": value} if isinstance(inside, dict) else value
    found = python_values(pa.array([inside, None], whole))
    assert found == [wanted, None]
    assert shown in to_json(found)


def test_an_offset_with_seconds_is_shown_in_utc():
    old = pa.array([-(10**9) * 3], pa.int64()).cast(pa.timestamp("s", "Europe/Amsterdam"))
    assert to_json(python_values(old)) == '["1874-12-07T18:40:00Z"]'


def test_pandas_is_not_asked():
    found = python_values(pa.array([1], pa.int64()).cast(pa.timestamp("ns")))
    assert type(found[0]) is np.datetime64
