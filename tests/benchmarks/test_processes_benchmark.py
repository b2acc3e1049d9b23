import processes
import pytest


def test_the_ratio_is_of_rounds_side_by_side():
    seconds = {processes.ONE: [1.0, 2.0, 3.0], processes.TWO: [2.0, 2.0, 2.0]}
    row = processes.summarise(seconds, 10)
    assert row["ratio"] == 1.0
    assert row["ratio_range"] == [0.5, 1.5]
    assert row["milliseconds_a_step"] == pytest.approx({processes.ONE: 200.0, processes.TWO: 200.0})
    assert row["reaches_the_bar"]
    assert not processes.summarise({**seconds, processes.TWO: [4.0, 4.0, 4.0]}, 10)["reaches_the_bar"]


def test_the_section_shows_what_was_measured():
    row = processes.summarise({processes.ONE: [1.0], processes.TWO: [1.6]}, 10)
    report = {
        "protocol": {"base_channels": 64, "batch_size": 64, "rounds": 1, "steps": 10},
        "rows": {"fp32": row},
        "environment": {
            "versions": {"torch": "2"},
            "processor": "a processor",
            "capability": "AVX512",
            "date": "2026-01-01",
            "commit": "abc",
        },
    }
    section = processes.write_section(report)
    assert "| fp32 | 100.0 | 160.0 | 0.62 (0.62 to 0.62) | 0.9, missed |" in section
    assert "torch 2; a processor (AVX512); 2026-01-01, abc" in section
