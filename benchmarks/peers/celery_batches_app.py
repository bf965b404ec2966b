"""celery-batches: one message per write, one commit for what came within 50 ms or for 100 of them."""

from collections.abc import Sequence

from celery_batches import Batches, SimpleRequest

from benchmarks.peers.celery_app import make_app

FLUSH_SECONDS = 0.05
FLUSH_WRITES = 100

app = make_app("peer_batches")
app.conf.worker_prefetch_multiplier = 2 * FLUSH_WRITES


@app.task(name="items.create_batch", base=Batches, flush_every=FLUSH_WRITES, flush_interval=FLUSH_SECONDS)
def create_items(requests: Sequence[SimpleRequest]) -> None:
    """Create an item for each request, all in one statement, and store each one's result."""
    from django.utils import timezone

    from items.models import Item

    now = timezone.now()
    items = Item.objects.bulk_create(
        Item(created_at=now, updated_at=now, **request.args[0]) for request in requests
    )
    for request, item in zip(requests, items, strict=True):
        app.backend.mark_as_done(request.id, item.representation(), request=request)
