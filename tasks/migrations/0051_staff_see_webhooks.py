"""Staff see webhooks, and support disables them. Rights are only ever added, as in 0012."""

from django.db import migrations

STAFF = """
INSERT INTO django_content_type (app_label, model) VALUES ('tasks', 'webhook') ON CONFLICT DO NOTHING;
INSERT INTO auth_permission (content_type_id, codename, name)
SELECT id, verb || '_webhook', 'Can ' || verb || ' webhook'
  FROM django_content_type, unnest('{add,change,delete,view}'::text[]) AS verb
 WHERE app_label = 'tasks' AND model = 'webhook' ON CONFLICT DO NOTHING;
INSERT INTO auth_group_permissions (group_id, permission_id)
SELECT auth_group.id, auth_permission.id
  FROM (VALUES ('Viewer', 'view'), ('Support', 'view'), ('Support', 'change'), ('Administrator', 'view'),
               ('Administrator', 'change')) AS rights (staff, verb)
  JOIN auth_group ON auth_group.name = staff JOIN auth_permission ON codename = verb || '_webhook'
    ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0050_webhooks_end")]

    operations = [migrations.RunSQL(STAFF, migrations.RunSQL.noop)]
