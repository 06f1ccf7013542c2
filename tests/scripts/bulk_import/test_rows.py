"""What a file says: CSV with and without a mapping, NDJSON, and rows that cannot be read."""

import io
import json
from typing import Any

import orjson
import pytest

from scripts.bulk_import.mapping import BadMapping, ColumnMapping, UnknownColumns, read_mapping
from scripts.bulk_import.rows import LONGEST_LINE, BadRow, Row, UnreadableFile, read_csv, read_ndjson


def csv_rows(text: str | bytes, mapping: ColumnMapping | None = None, **how: Any) -> list[Row | BadRow]:
    data = text if isinstance(text, bytes) else text.encode()
    how = {"encoding": "utf-8-sig", "delimiter": None, **how}
    return list(read_csv(io.BytesIO(data), mapping or ColumnMapping(), **how))


def ndjson_rows(data: bytes, mapping: ColumnMapping | None = None) -> list[Row | BadRow]:
    return list(read_ndjson(io.BytesIO(data), mapping or ColumnMapping()))


def record(row: Row | BadRow) -> Any:
    assert isinstance(row, Row), row
    return orjson.loads(row.body)


@pytest.fixture
def mapping_file(tmp_path):
    def written(told: Any):
        path = tmp_path / "mapping.json"
        path.write_text(json.dumps(told), "utf-8")
        return path

    return written


def test_columns_that_are_named_as_fields_need_no_mapping():
    (row,) = csv_rows("First Name,last_name,external_id.value,payors.0.member_id\nAnn,Lee,MRN-1,M1\n")
    assert record(row) == {
        "first_name": "Ann",
        "last_name": "Lee",
        "external_id": {"value": "MRN-1"},
        "payors": [{"member_id": "M1"}],
    }
    assert row.line == 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(delimiter):
    text = (
        delimiter.join(("first_name", "last_name", "city")) + "\n" + delimiter.join(("Ann", '"Lee, Jr; x"', "")) + "\n"
    )
    assert record(csv_rows(text)[0]) == {"first_name": "Ann", "last_name": "Lee, Jr; x"}


def test_a_blank_cell_says_nothing():
    assert record(csv_rows("first_name,last_name,city\n,Lee,\n")[0]) == {"last_name": "Lee"}


def test_a_byte_order_mark_is_no_part_of_the_first_column():
    assert record(csv_rows(b"\xef\xbb\xbffirst_name\nZo\xc3\xab\n")[0]) == {"first_name": "Zoë"}


def test_a_row_is_told_by_the_line_it_starts_at():
    rows = csv_rows('first_name,comments\nAnn,"two\nlines"\n\nBob,x\n')
    assert [row.line for row in rows] == [2, 5]
    assert record(rows[0])["comments"] == "two\nlines"


def test_a_row_with_other_cells_than_the_header_is_told_and_the_others_are_read():
    rows = csv_rows("first_name,last_name\nAnn\nBob,Lee\nCy,Lee,more\n")
    assert [getattr(row, "problem", None) for row in rows] == ["wrong-number-of-cells", None, "wrong-number-of-cells"]


def test_bytes_in_another_encoding_are_told_and_not_guessed():
    rows = csv_rows("first_name\nZoë\nAnn\n".encode("latin-1"))
    assert [getattr(row, "problem", None) for row in rows] == ["not-in-this-encoding", None]
    assert record(csv_rows("first_name\nZoë\n".encode("latin-1"), encoding="latin-1")[0]) == {"first_name": "Zoë"}


def test_a_cell_that_is_far_too_long_spoils_its_row_alone():
    rows = csv_rows("first_name\n" + "x" * 200_000 + "\nAnn\n")
    assert getattr(rows[0], "problem", None) == "not-csv"
    assert record(rows[-1]) == {"first_name": "Ann"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('Ann,"likes tea\nBob,hiv\nCy,x\n', [(2, "lines 2 to 4: unexpected end of data")]),
        ('Ann,"likes tea\nBob,"hiv"\nCy,x\n', [(2, "lines 2 to 3: ',' expected after '\"'"), (4, None)]),
    ],
)
def test_a_quote_that_is_not_closed_puts_nobody_elses_row_into_a_cell(text: str, told: list[tuple[int, str | None]]):
    rows = csv_rows("first_name,comments\n" + text)
    assert [(row.line, row.original if isinstance(row, BadRow) else None) for row in rows] == told


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"PK\x03\x04\x00\x00", b"\xff\xfef\x00i\x00", b'first_name,"city\nAnn,x\n']
)
def test_what_is_no_csv_is_refused(data):
    with pytest.raises(UnreadableFile):
        csv_rows(data)


def test_unknown_columns_are_named_before_anything_is_placed():
    with pytest.raises(UnknownColumns) as refused:
        csv_rows("first_name,Shoe Size\nAnn,38\n")
    assert refused.value.details == {"columns": ["Shoe Size"]}


def test_a_first_row_that_is_no_header_is_refused_without_telling_what_it_says():
    with pytest.raises(UnknownColumns) as refused:
        csv_rows("Ann,Lee,1980-03-01\nBob,Lee,1981-03-01\n")
    assert "Ann" not in str(refused.value.details)


def test_a_mapping_names_leaves_out_splits_and_adds(mapping_file):
    told = {
        "columns": {"MRN": "external_id.value", "Labels": {"field": "tags", "split": ";"}, "Shoe": None},
        "constants": {"external_id.type_id": "type-1", "custom_fields.from": "file 7"},
    }
    rows = csv_rows("MRN,Labels,Shoe,first_name\n17,vip;new,38,Ann\n", read_mapping(mapping_file(told)))
    assert record(rows[0]) == {
        "external_id": {"type_id": "type-1", "value": "17"},
        "custom_fields": {"from": "file 7"},
        "tags": ["vip", "new"],
        "first_name": "Ann",
    }


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"MRN": "external_id.value"},
        {"columns": {"A": "no_such_field"}},
        {"columns": {"A": 7}},
        {"columns": {"A": {"field": "tags", "split": ""}}},
        {"columns": {"A": "payors.99999999.member_id"}},
        {"columns": {"A": "first_name..x"}},
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(mapping_file, told):
    with pytest.raises(BadMapping):
        read_mapping(mapping_file(told))


@pytest.mark.parametrize(
    "fields", [("payors.0.member_id", "payors.member_id"), ("external_id", "external_id.value"), ("city", "city.x")]
)
def test_columns_that_contradict_each_other_are_refused(mapping_file, fields):
    told = {"columns": dict(zip("AB", fields, strict=True))}
    with pytest.raises(BadMapping):
        csv_rows("A,B\n1,2\n", read_mapping(mapping_file(told)))


def test_two_columns_for_one_field_are_refused_rather_than_one_of_them_lost(mapping_file):
    for header in ("Phone Number,phone_number", "phone_number,phone_number"):
        with pytest.raises(BadMapping) as refused:
            csv_rows(f"{header}\n2125550142,2125550143\n")
        assert refused.value.details["fields"] == ["phone_number"]
    told = read_mapping(mapping_file({"columns": {"Mobile": "phone_number", "Home": "phone_number"}}))
    with pytest.raises(BadMapping):
        csv_rows("Mobile,Home\n2125550142,2125550143\n", told)
    left_out = read_mapping(mapping_file({"columns": {"Mobile": "phone_number", "Home": None}}))
    (row,) = csv_rows("Mobile,Home\n2125550142,2125550143\n", left_out)
    assert record(row) == {"phone_number": "2125550142"}


def test_ndjson_is_taken_line_by_line():
    rows = ndjson_rows(b'\xef\xbb\xbf{"first_name":"Ann"}\r\n\n{"first_name":"Bob"}')
    assert [row.line for row in rows] == [1, 3]
    assert [record(row)["first_name"] for row in rows] == ["Ann", "Bob"]


def test_lines_that_are_no_record_are_told_and_the_others_are_read():
    long = b'{"comments":"' + b"x" * LONGEST_LINE + b'"}'
    deep = b"[" * 99 + b"]" * 99
    rows = ndjson_rows(b"\n".join((b"{no", b"[1]", long, b"\xff\xfe", deep, b'{"first_name":"Ann"}')))
    problems = [getattr(row, "problem", None) for row in rows]
    assert problems == ["not-json", "not-an-object", "body-too-large", "not-json", "too-deep", None]
    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 6]


def test_a_mapping_works_for_ndjson_too(mapping_file):
    told = {"columns": {"mrn": "external_id.value", "x": None}, "constants": {"source": "file"}}
    rows = ndjson_rows(b'{"mrn":"1","x":{"deep":true},"last_name":"Lee"}', read_mapping(mapping_file(told)))
    assert record(rows[0]) == {"external_id": {"value": "1"}, "source": "file", "last_name": "Lee"}


def test_with_a_mapping_an_ndjson_row_of_other_keys_is_rejected_alone_unless_it_is_the_first(mapping_file):
    mapping = read_mapping(mapping_file({"columns": {"mrn": "external_id.value"}}))
    rows = ndjson_rows(b'{"mrn":"1"}\n{"mrn":"2","shoe":"43"}\n{"mrn":"3"}', mapping)
    assert [type(row).__name__ for row in rows] == ["Row", "BadRow", "Row"]
    assert (rows[1].line, getattr(rows[1], "problem", "")) == (2, "UnknownColumns")
    with pytest.raises(UnknownColumns):
        ndjson_rows(b'{"mrn":"2","shoe":"43"}', mapping)
