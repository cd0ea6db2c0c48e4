"""Numbers for narrow columns."""

from askr_cli.top.figures import count, milliseconds, rate, size, uptime


def test_numbers_are_short() -> None:
    written = [
        (count(0), "0"),
        (count(1204), "1 204"),
        (count(3_200_000), "3.2M"),
        (rate(None), "–"),
        (rate(0), "0"),
        (rate(0.54), "0.5"),
        (rate(1204.4), "1 204"),
        (milliseconds(None), "–"),
        (milliseconds(0.421), "0.42 ms"),
        (milliseconds(0), "0 ms"),
        (milliseconds(0.0421), "0.042 ms"),
        (milliseconds(0.996), "1.0 ms"),
        (milliseconds(4.25), "4.2 ms"),
        (milliseconds(12.3), "12 ms"),
        (milliseconds(417), "420 ms"),
        (milliseconds(994), "990 ms"),
        (milliseconds(996), "1.0 s"),
        (milliseconds(3100), "3.1 s"),
        (size(0), "0"),
        (size(512), "512 B"),
        (size(1204), "1.2 kB"),
        (size(123_456_789), "123 MB"),
        (uptime(12_400), "12 s"),
        (uptime(242_000), "4 min 2 s"),
        (uptime(11_100_000), "3 h 5 min"),
        (uptime(187_200_000), "2 d 4 h"),
    ]
    assert [shown for shown, _ in written] == [expected for _, expected in written]
