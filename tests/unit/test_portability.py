"""What can be seen here of the tests' way on other systems."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tests_load_where_nothing_is_that_only_linux_has() -> None:
    collect = ["pytest", "-p", "tests.fakes.other_system", "--collect-only", "-q", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [sys.executable, "-m", *collect, "tests"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout[-4000:] + result.stderr
