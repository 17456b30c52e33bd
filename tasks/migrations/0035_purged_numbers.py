"""Whatever removes tasks or lists for good raises the owner's `purged_no`: those who follow their changes must notice.

Up to the highest number of the tombstones that went: who has seen that one has seen all of them. What was not in the
trash has told nobody that it goes, so the owner takes new numbers first, and all who follow begin anew.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# One update for each owner. Whoever deletes has locked the owners before, in this order, as every writer does.
NOTE_PURGED = """
CREATE FUNCTION {schema}.note_purged() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    purged record;
BEGIN
    FOR purged IN
        SELECT user_id, coalesce(max(change_no) FILTER (WHERE deleted_at IS NOT NULL), 0) AS tombstone,
               count(*) FILTER (WHERE deleted_at IS NULL) AS live
          FROM gone WHERE user_id::text <> coalesce(current_setting('app.erasing', true), '')
         GROUP BY user_id ORDER BY user_id
    LOOP
        UPDATE users
           SET change_no = change_no + purged.live,
               purged_no = greatest(purged_no, CASE purged.live WHEN 0 THEN purged.tombstone ELSE change_no + purged.live END)
         WHERE id = purged.user_id;
    END LOOP;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.note_purged() FROM PUBLIC;
CREATE TRIGGER tasks_purged AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.note_purged();
CREATE TRIGGER lists_purged AFTER DELETE ON lists REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.note_purged();
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0033_proved_series"), ("accounts", "0020_purged_no")]

    operations = [
        migrations.RunSQL(NOTE_PURGED.format(schema=SCHEMA), f"DROP FUNCTION {SCHEMA}.note_purged() CASCADE;")
    ]
