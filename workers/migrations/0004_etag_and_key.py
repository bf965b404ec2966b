from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workers', '0003_status_and_http_status'),
    ]

    operations = [
        # Null, and without a default: SQLite adds such columns in place, however many receipts there are.
        migrations.AddField('receipt', 'etag', models.CharField(blank=True, help_text='Entity tag of what it left.', max_length=255, null=True)),
        migrations.AddField('receipt', 'key', models.CharField(blank=True, help_text='Primary key of what it created.', max_length=255, null=True)),
    ]
