from pathlib import Path

from tray_app.engine.output import EngineOutput


def test_lines_go_to_the_file_and_stay_in_memory(tmp_path: Path) -> None:
    output = EngineOutput(tmp_path / "logs")
    for number in range(3):
        output.add(f"100 % ü {number}")
    output.close()
    assert output.since(1) == ("100 % ü 1", "100 % ü 2")
    assert (tmp_path / "logs" / "engine.log").read_text("utf-8").splitlines() == [
        f"100 % ü {n}" for n in range(3)
    ]


def test_the_lines_of_one_run_are_those_since_its_start(tmp_path: Path) -> None:
    output = EngineOutput(tmp_path)
    for number in range(1500):
        output.add(str(number))
    output.close()
    assert output.since(1498) == ("1498", "1499")
    assert output.since(1500) == ()
