"""What becomes of each class of SQLSTATE (PostgreSQL, appendix A): decided for every one, none by chance."""

import psycopg
import pytest
from psycopg import errors as psycopg_errors

from todoproject.database.errors import (
    ConnectionLost,
    ConstraintViolated,
    DatabaseNotReady,
    DatabaseUnavailable,
    InFlight,
    InvalidToken,
    NotUnique,
    OutcomeUnknown,
    ReadOnly,
    ScopeMissing,
    Undone,
    translate,
)

DEFECT = None  # stays what it is: a 500, with a traceback in the log

DECISIONS = {
    "03000": DEFECT,
    "08000": ConnectionLost,
    "08006": ConnectionLost,
    "08P01": ConnectionLost,
    "09000": DEFECT,
    "0A000": DEFECT,
    "0B000": DEFECT,
    "0F000": DEFECT,
    "0L000": DEFECT,
    "0P000": DEFECT,
    "0Z000": DEFECT,
    "10608": DEFECT,
    "20000": DEFECT,
    "21000": DEFECT,
    "22000": DEFECT,
    "22021": DEFECT,
    "23000": ConstraintViolated,
    "23502": ConstraintViolated,
    "23503": ConstraintViolated,
    "23505": NotUnique,
    "23514": ConstraintViolated,
    "23P01": ConstraintViolated,
    "24000": DEFECT,
    "25000": DEFECT,
    "25001": DEFECT,
    "25006": ReadOnly,
    "25P01": DEFECT,
    "25P02": DEFECT,
    "25P03": DatabaseUnavailable,
    "25P04": DatabaseUnavailable,
    "26000": Undone,
    "27000": DEFECT,
    "28000": InvalidToken,
    "28P01": DEFECT,
    "2B000": DEFECT,
    "2D000": DEFECT,
    "2F000": DEFECT,
    "34000": DEFECT,
    "38000": DEFECT,
    "39000": DEFECT,
    "3B000": DEFECT,
    "3B001": DEFECT,
    "3D000": DEFECT,
    "3F000": DatabaseNotReady,
    "40000": DatabaseUnavailable,
    "40001": Undone,
    "40002": DatabaseUnavailable,
    "40003": OutcomeUnknown,
    "40P01": Undone,
    "42000": DEFECT,
    "42501": DEFECT,
    "42601": DEFECT,
    "42703": DatabaseNotReady,
    "42883": DatabaseNotReady,
    "42P01": DatabaseNotReady,
    "42P05": Undone,
    "44000": DEFECT,
    "53000": DatabaseUnavailable,
    "53100": DatabaseUnavailable,
    "53200": DatabaseUnavailable,
    "53300": DatabaseUnavailable,
    "53400": DatabaseUnavailable,
    "54000": DEFECT,
    "55000": DEFECT,
    "55006": DatabaseUnavailable,
    "55P03": DatabaseUnavailable,
    "57000": DatabaseUnavailable,
    "57014": DatabaseUnavailable,
    "57P01": ConnectionLost,
    "57P02": ConnectionLost,
    "57P03": ConnectionLost,
    "57P04": ConnectionLost,
    "57P05": ConnectionLost,
    "58000": DatabaseUnavailable,
    "58030": DatabaseUnavailable,
    "72000": Undone,
    "F0000": DatabaseUnavailable,
    "HV000": DEFECT,
    "P0000": DEFECT,
    "P0001": DEFECT,
    "TD403": ScopeMissing,
    "TD409": InFlight,
    "XX000": DEFECT,
    "XX001": DEFECT,
}


def raised(state: str) -> psycopg.Error:
    """Return an error as libpq gives it, without a server."""
    kind = psycopg_errors._sqlcodes.get(state, psycopg.DatabaseError)
    made = type(kind.__name__, (kind,), {"sqlstate": state})
    error: psycopg.Error = made("it says no")
    return error


@pytest.mark.parametrize("state", DECISIONS)
def test_every_class_of_sqlstate_is_decided(state: str) -> None:
    translated = translate(raised(state))

    expected = DECISIONS[state]
    assert type(translated) is expected if expected else isinstance(translated, psycopg.Error)


def test_no_class_is_left_out() -> None:
    codes = [code for code in psycopg_errors._sqlcodes if len(code) == 5 and any(c.isdigit() for c in code)]
    known = {code[:2] for code in codes} - {"00", "01", "02"}  # success and warnings
    assert known <= {state[:2] for state in DECISIONS}
