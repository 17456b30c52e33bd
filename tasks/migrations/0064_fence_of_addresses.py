"""Secret addresses behind the fence: `open_request` is told which kinds of tokens it may take.

Without being told it takes logins and personal tokens only: the secret of a calendar is no bearer token, at the release
before as little as at this one. A reset of the password and `logout-everywhere` end the addresses, as in 0050 the
webhooks: whoever had the account may have made them.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_CLAIMS = import_module("tasks.migrations.0045_claims_lock_nothing")
_WEBHOOKS_END = import_module("tasks.migrations.0050_webhooks_end")

_LIVE = "           AND t.revoked_at IS NULL\n"
_LOCKS = "required_scopes text[], locks_owner boolean)"
_BEFORE = _CLAIMS.OPEN_REQUEST
OPEN_REQUEST = _BEFORE.replace(_LIVE, f"{_LIVE}           AND t.kind IN ('session', 'personal')\n")
OPEN_ADDRESS = (
    _BEFORE.replace(_LIVE, f"{_LIVE}           AND t.kind = ANY (kinds)\n")
    .replace(_LOCKS, "required_scopes text[], locks_owner boolean, kinds text[])")
    .replace("CREATE OR REPLACE FUNCTION", "CREATE FUNCTION")
    + "REVOKE EXECUTE ON FUNCTION {schema}.open_request(bytea, text[], boolean, text[]) FROM PUBLIC;"
)

# What the statement behind an address has to know of it and of its owner; of the address in use, and of no other.
CURRENT_ADDRESS = """
CREATE FUNCTION {schema}.current_address()
RETURNS TABLE (kind text, name text, list_id uuid, timezone text, change_no bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    SELECT t.kind, t.name, t.list_id, u.timezone, u.change_no FROM access_tokens t JOIN users u ON u.id = t.user_id
     WHERE t.id = current_token_id() AND t.user_id = current_user_id() AND t.kind IN ('todos', 'events', 'backend');
$$;
REVOKE EXECUTE ON FUNCTION {schema}.current_address() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.current_address() TO todo_api;
"""

# The role that makes tokens may not read lists.
LIST_OF_ADDRESS = """
CREATE FUNCTION {schema}.check_list_of_address() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM lists WHERE user_id = NEW.user_id AND id = NEW.list_id AND deleted_at IS NULL) THEN
        RAISE EXCEPTION 'no such list' USING ERRCODE = 'check_violation', CONSTRAINT = 'access_tokens_list_live';
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.check_list_of_address() FROM PUBLIC;
CREATE TRIGGER access_tokens_list_checked BEFORE INSERT ON {schema}.access_tokens
    FOR EACH ROW WHEN (NEW.list_id IS NOT NULL) EXECUTE FUNCTION {schema}.check_list_of_address();
"""

END_ADDRESSES = """
CREATE FUNCTION {schema}.end_addresses(owner uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    UPDATE access_tokens SET revoked_at = statement_timestamp()
     WHERE user_id = owner AND kind IN ('todos', 'events', 'backend') AND revoked_at IS NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.end_addresses(uuid) FROM PUBLIC;
"""


def also_ending(function: str, owner: str) -> str:
    """Return a function that ends the addresses of whose webhooks it disables."""
    disables = f"    PERFORM {{schema}}.disable_webhooks({owner}, "
    return function.replace(disables, f"    PERFORM {{schema}}.end_addresses({owner});\n{disables}", 1)


RESET = also_ending(_WEBHOOKS_END.RESET, "reset_password.user_id")
LOGOUT = also_ending(_WEBHOOKS_END.LOGOUT, "owner")


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0061_background_jobs"), ("accounts", "0027_proved_addresses")]

    operations = [
        run(OPEN_REQUEST, _BEFORE),
        run(OPEN_ADDRESS, "DROP FUNCTION {schema}.open_request(bytea, text[], boolean, text[]);"),
        run(CURRENT_ADDRESS, "DROP FUNCTION {schema}.current_address();"),
        run(LIST_OF_ADDRESS, "DROP FUNCTION {schema}.check_list_of_address() CASCADE;"),
        run(END_ADDRESSES, "DROP FUNCTION {schema}.end_addresses(uuid);"),
        run(RESET, _WEBHOOKS_END.RESET),
        run(LOGOUT, _WEBHOOKS_END.LOGOUT),
    ]
