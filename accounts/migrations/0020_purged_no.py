"""How far what is gone for good has been forgotten: an owner's `purged_no`, beside the number of their last change.

Whoever follows an owner's changes and has not seen all up to this one may have missed that something is gone. It only
rises, whoever saves an owner's row. After a backup is restored numbers would come a second time: `reset_sync` leaves them
out, and sends every client back to the beginning.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

# Of its own column only, so that no numbering looks at it.
KEEP_PURGED_NO = """
CREATE FUNCTION {schema}.keep_purged_no() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    NEW.purged_no := OLD.purged_no;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.keep_purged_no() FROM PUBLIC;
CREATE TRIGGER users_purged_no BEFORE UPDATE OF purged_no ON users
    FOR EACH ROW WHEN (NEW.purged_no < OLD.purged_no) EXECUTE FUNCTION {schema}.keep_purged_no();
"""

# STABLE: it sees just what the statement sees that asks, so that a page and its numbers are of one moment.
OWN_NUMBERS = """
CREATE FUNCTION {schema}.own_numbers(OUT change_no bigint, OUT purged_no bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    SELECT users.change_no, users.purged_no INTO own_numbers.change_no, own_numbers.purged_no
      FROM users WHERE id = current_user_id();
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.own_numbers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.own_numbers() TO todo_api;
"""

# A million is more than was lost; the milliseconds are there because the same backup may be restored twice.
RESET_SYNC = """
CREATE FUNCTION {schema}.reset_sync() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    owners bigint;
    moment bigint := extract(epoch FROM clock_timestamp()) * 1000;
BEGIN
    PERFORM FROM users ORDER BY id FOR NO KEY UPDATE;
    UPDATE users SET change_no = greatest(change_no + 1000000, moment), purged_no = greatest(change_no + 1000000, moment);
    GET DIAGNOSTICS owners = ROW_COUNT;
    RETURN owners;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.reset_sync() FROM PUBLIC;
"""

# Whoever is erased has nobody left who follows: what goes with them need not be noted.
_BEFORE = import_module("accounts.migrations.0006_account_functions").ERASE_OWNED.split("REVOKE", 1)[0]
ERASE_OWNED_BEFORE = _BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1).replace(
    "LANGUAGE plpgsql VOLATILE", "LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {schema}, pg_temp", 1
)
ERASE_OWNED = ERASE_OWNED_BEFORE.replace(
    "BEGIN\n", "BEGIN\n    PERFORM set_config('app.erasing', owner::text, true);\n", 1
)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0019_one_account_a_mailbox")]

    operations = [
        migrations.AddField("user", "purged_no", models.BigIntegerField(db_default=0, editable=False)),
        run(KEEP_PURGED_NO, "DROP FUNCTION {schema}.keep_purged_no() CASCADE;"),
        run(OWN_NUMBERS, "DROP FUNCTION {schema}.own_numbers();"),
        run(RESET_SYNC, "DROP FUNCTION {schema}.reset_sync();"),
        run(ERASE_OWNED, ERASE_OWNED_BEFORE),
    ]
