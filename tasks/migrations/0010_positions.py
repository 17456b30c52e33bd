"""Positions: texts between which there is always room for another (a fractional index), compared byte by byte.

The scheme is that of David Greenspan, "Implementing Fractional Indexing", with 62 digits: a whole part, whose first letter
says how long it is, so that adding at either end makes keys no longer; and a fraction. The neighbours of a place are known
in the database only, and the last release, SQL and the admin insert without a position; so it is made here.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PURE = "IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp"

# The next whole part, or the one before. 'a0' is the middle; 'b00' comes after 'az', 'Yzz' before 'Z0'. NULL where they end.
STEP = f"""
CREATE FUNCTION {SCHEMA}.position_step(whole text, step integer) RETURNS text
LANGUAGE plpgsql STRICT {_PURE}
AS $$
DECLARE
    digits CONSTANT text := '{_DIGITS}';
    head text := left(whole, 1);
    rest text := substr(whole, 2);
    spill CONSTANT text := CASE step WHEN 1 THEN '0' ELSE 'z' END;
    value integer;
BEGIN
    FOR place IN REVERSE length(rest) .. 1 LOOP
        value := strpos(digits, substr(rest, place, 1)) - 1 + step;
        IF value BETWEEN 0 AND 61 THEN
            RETURN head || overlay(rest PLACING substr(digits, value + 1, 1) FROM place FOR 1);
        END IF;
        rest := overlay(rest PLACING spill FROM place FOR 1);
    END LOOP;
    IF head = (CASE step WHEN 1 THEN 'z' ELSE 'A' END) THEN
        RETURN NULL;
    ELSIF head = (CASE step WHEN 1 THEN 'Z' ELSE 'a' END) THEN
        RETURN CASE step WHEN 1 THEN 'a0' ELSE 'Zz' END;
    END IF;
    head := chr(ascii(head) + step);
    -- Further from the middle they are longer.
    IF (step = 1) = (head >= 'a' COLLATE "C") THEN
        RETURN head || rest || spill;
    END IF;
    RETURN head || left(rest, -1);
END $$;
"""

# A fraction between two, the shortest near the middle; low may be empty, high NULL (the end).
MIDDLE = f"""
CREATE FUNCTION {SCHEMA}.position_middle(low text, high text) RETURNS text
LANGUAGE plpgsql {_PURE}
AS $$
DECLARE
    digits CONSTANT text := '{_DIGITS}';
    found text := '';
    first integer;
    last integer;
BEGIN
    LOOP
        WHILE left(high, 1) = coalesce(nullif(left(low, 1), ''), '0') LOOP
            found := found || left(high, 1);
            low := substr(low, 2);
            high := substr(high, 2);
        END LOOP;
        first := coalesce(strpos(digits, nullif(left(low, 1), '')) - 1, 0);
        last := coalesce(strpos(digits, left(high, 1)) - 1, 62);
        IF last - first > 1 THEN
            RETURN found || substr(digits, (first + last + 1) / 2 + 1, 1);
        ELSIF length(high) > 1 THEN
            RETURN found || left(high, 1);
        END IF;
        found := found || substr(digits, first + 1, 1);
        low := substr(low, 2);
        high := NULL;
    END LOOP;
END $$;
"""

BETWEEN = f"""
CREATE FUNCTION {SCHEMA}.position_whole(key text) RETURNS text
LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE
RETURN left(key, CASE WHEN ascii(key) >= 97 THEN ascii(key) - 95 ELSE 92 - ascii(key) END);

CREATE FUNCTION {SCHEMA}.position_between(low text, high text) RETURNS text
LANGUAGE plpgsql {_PURE}
AS $$
DECLARE
    below text := {SCHEMA}.position_whole(low);
    above text := {SCHEMA}.position_whole(high);
    found text;
BEGIN
    IF low >= high COLLATE "C" THEN
        RAISE EXCEPTION 'no position between these' USING ERRCODE = 'data_exception';
    ELSIF low IS NULL AND high IS NULL THEN
        RETURN 'a0';
    ELSIF low IS NULL THEN
        found := CASE WHEN above < high COLLATE "C" THEN above ELSE {SCHEMA}.position_step(above, -1) END;
        -- The very first whole part has room before it only in its fraction.
        IF found IS NULL OR found = 'A' || repeat('0', 26) THEN
            RETURN 'A' || repeat('0', 26) || {SCHEMA}.position_middle('', nullif(substr(high, 28), ''));
        END IF;
        RETURN found;
    ELSIF below = above THEN
        RETURN below || {SCHEMA}.position_middle(substr(low, length(below) + 1), substr(high, length(above) + 1));
    END IF;
    found := {SCHEMA}.position_step(below, 1);
    IF found IS NULL OR found >= high COLLATE "C" THEN
        RETURN below || {SCHEMA}.position_middle(substr(low, length(below) + 1), NULL);
    END IF;
    RETURN found;
END $$;
"""

# As many keys as there are siblings, of the same short length, to space them anew.
NTH = f"""
CREATE FUNCTION {SCHEMA}.position_at(number bigint) RETURNS text
LANGUAGE plpgsql STRICT {_PURE}
AS $$
DECLARE
    digits CONSTANT text := '{_DIGITS}';
    head integer := ascii('a');
    size bigint := 62;
    found text := '';
BEGIN
    WHILE number >= size LOOP
        number := number - size;
        size := size * 62;
        head := head + 1;
    END LOOP;
    FOR place IN ascii('a') .. head LOOP
        found := substr(digits, (number % 62)::integer + 1, 1) || found;
        number := number / 62;
    END LOOP;
    RETURN chr(head) || found;
END $$;
"""

_FUNCTIONS = (
    *("position_step(text, integer)", "position_middle(text, text)", "position_whole(text)"),
    *("position_between(text, text)", "position_at(bigint)"),
)
_NAMES = ", ".join(f"{SCHEMA}.{function}" for function in _FUNCTIONS)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0009_plain_text")]

    operations = [
        migrations.RunSQL(
            f"{STEP}{MIDDLE}{BETWEEN}{NTH}REVOKE EXECUTE ON FUNCTION {_NAMES} FROM PUBLIC;"
            f"GRANT EXECUTE ON FUNCTION {_NAMES} TO todo_api;",
            f"DROP FUNCTION {_NAMES};",
        ),
    ]
