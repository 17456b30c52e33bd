"""A URL's parameters are its places, too: backups must ask the server that is served, and no other."""

import pytest

from todoproject.database import url

BY_PARAMETERS = "postgresql://u:wrong@elsewhere:1/other?host=/run/pooler&port=6432&user=v&password=0123&dbname=todo"


def test_places_are_found_where_everybody_looks_for_them() -> None:
    database = url.parse(BY_PARAMETERS)
    assert [str(database[key]) for key in ("HOST", "PORT", "USER", "PASSWORD", "NAME")] == [
        *("/run/pooler", "6432", "v", "0123", "todo")
    ]
    assert not {"host", "port", "user", "password", "dbname"} & {*database["OPTIONS"]}


def test_places_of_the_address_stay() -> None:
    database = url.parse("postgresql://u:p@localhost:5433/todo?sslmode=disable")
    assert [str(database[key]) for key in ("HOST", "PORT", "USER", "PASSWORD", "NAME")] == [
        *("localhost", "5433", "u", "p", "todo")
    ]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "6432,6433", "x", "123456"])
def test_port_is_a_number_that_there_can_be(port: str) -> None:
    with pytest.raises(ValueError, match="port"):
        url.parse(f"postgresql://u@localhost/todo?port={port}")
