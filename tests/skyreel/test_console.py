"""What commands print."""

from io import StringIO

import pytest
from rich.console import Console
from rich.progress import Task
from rich.table import Table

from skyreel.console import Bars, new_console, printable, rate_of, status


def task(completed, **fields):
    """A task that started ten seconds ago."""
    made = Task(0, "x", 100, completed, _get_time=lambda: 10.0, fields=fields)
    made.start_time = 0.0
    return made


def test_the_rate_is_that_of_this_run():
    assert rate_of(task(60, earlier=40)) == pytest.approx(2.0)
    assert rate_of(task(60)) == pytest.approx(6.0)
    assert rate_of(task(40, earlier=40)) is None


def test_names_with_brackets_are_printed_as_they_are(capsys):
    new_console().print("a[b]c[/d].zarr")
    assert capsys.readouterr().out == "a[b]c[/d].zarr\n"


UNSAFE = "a\x1b[31mred\x1b]0;title\x07\u202eb\udcff[bold]:smile:"
ESCAPED = r"a\x1b[31mred\x1b]0;title\x07\u202eb\udcff[bold]:smile:"


@pytest.mark.parametrize("terminal", [True, False])
def test_control_characters_are_printed_as_escapes(terminal, monkeypatch):
    console = new_console()
    console.file = StringIO()
    monkeypatch.setattr(type(console), "is_terminal", terminal)
    table = Table(title=UNSAFE)
    table.add_column(UNSAFE)
    table.add_row(UNSAFE)
    console.print(UNSAFE, table)
    with status(console, UNSAFE), Bars(console) as bars:
        bars.add(UNSAFE, 1)(1)
        bars.step(UNSAFE, 1, 1)
    printed = console.file.getvalue()
    assert printed.count(ESCAPED) >= 6
    assert "\x1b[31mred" not in printed
    assert "\x07" not in printed


def test_line_breaks_and_letters_of_all_scripts_stay():
    assert printable("é 星\nβ²") == "é 星\nβ²"


def test_quiet_prints_nothing(capsys):
    console = new_console(quiet=True)
    with status(console, "Preparing"), Bars(console) as bars:
        bars.add("x", 2)(1)
    assert capsys.readouterr().out == ""


def test_bars_show_what_is_done_and_in_which_unit():
    console = Console(file=StringIO(), width=160, force_terminal=True, color_system=None)
    with Bars(console) as bars:
        bars.add("[objects]", 4, earlier=2, unit="seq", each_bytes=1e9)(4)
        bars.step("forest", 1, 3)
        bars.reach("training", 50, 100, "loss 0.500")
        bars.reach("training", 60, 100, "loss 0.400")
        bars.add("curves", None)(7)
    printed = console.file.getvalue()
    for text in ("[objects]", "4/4", "seq/s", "4.00 GB", "1/3", "60/100", "loss 0.400", "7/?"):
        assert text in printed
