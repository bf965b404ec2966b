from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workers", "0004_etag_and_key")]

    operations = [
        migrations.AlterModelOptions(
            name="receipt",
            options={
                "ordering": ["-write_id"],
                "permissions": [
                    ("retry_write", "Can try failed writes again"),
                    ("cancel_write", "Can cancel waiting writes"),
                ],
            },
        ),
        migrations.AlterField(
            model_name="receipt",
            name="key",
            field=models.CharField(
                blank=True, help_text="Primary key of what it created or changed.", max_length=255, null=True
            ),
        ),
    ]
