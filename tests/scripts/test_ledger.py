"""How does the command line end when the program itself is wrong?"""

import pytest

from scripts import ledger


def test_a_mistake_of_the_program_is_told_by_its_place_and_without_a_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    value = "Zebulon"

    def is_wrong(**_: object) -> None:
        raise ValueError(value)

    monkeypatch.setattr(ledger, "app", is_wrong)
    with pytest.raises(SystemExit) as ended:
        ledger.main()
    assert ended.value.code == 4
    told = capsys.readouterr().err
    assert "in is_wrong" in told
    assert "ValueError: a mistake of this program" in told
    assert value not in told
