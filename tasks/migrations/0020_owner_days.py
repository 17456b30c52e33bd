"""Where a day of the owner's begins, and which of their days an instant is in: days in filters are the owner's.

Both know the user whom the request has bound; the API's role cannot read users. As in owner_today, a zone that Python
knows and this server does not is no reason to fail.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# Where clocks are set back at midnight, a day begins twice, and PostgreSQL means the second time: an hour before it is
# the same day then.
OWNER_DAYS = """
CREATE FUNCTION {schema}.owner_zone() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    zone text := (SELECT timezone FROM {schema}.users WHERE id = {schema}.current_user_id());
BEGIN
    PERFORM statement_timestamp() AT TIME ZONE zone;
    RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN 'UTC';
END $$;

CREATE FUNCTION {schema}.day_begins(day date) RETURNS timestamptz
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    SELECT CASE WHEN ((begins - interval '1 hour') AT TIME ZONE zone)::date = day
                THEN begins - interval '1 hour' ELSE begins END
      FROM (SELECT zone, day::timestamp AT TIME ZONE zone AS begins FROM {schema}.owner_zone() AS zone) AS midnight;
$$;

CREATE FUNCTION {schema}.day_of(instant timestamptz) RETURNS date
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    SELECT (instant AT TIME ZONE {schema}.owner_zone())::date;
$$;
REVOKE EXECUTE ON FUNCTION {schema}.owner_zone(), {schema}.day_begins(date), {schema}.day_of(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.day_begins(date), {schema}.day_of(timestamptz) TO todo_api;
"""

DROP = """
DROP FUNCTION {schema}.day_of(timestamptz);
DROP FUNCTION {schema}.day_begins(date);
DROP FUNCTION {schema}.owner_zone();
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0019_fill_positions")]

    operations = [migrations.RunSQL(OWNER_DAYS.format(schema=SCHEMA), DROP.format(schema=SCHEMA))]
