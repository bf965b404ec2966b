from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workers', '0002_identity'),
    ]

    operations = [
        # SQLite renames columns in place: no row is copied, however many receipts there are.
        migrations.RenameField('receipt', 'status', 'http_status'),
        migrations.RenameField('receipt', 'outcome', 'status'),
        migrations.AlterField('receipt', 'http_status', models.PositiveSmallIntegerField(help_text='HTTP status of the response.')),
    ]
